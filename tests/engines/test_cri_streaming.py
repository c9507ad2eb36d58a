"""kubectl exec, attach and port-forward: what containerd's streaming server does with a container.
Over WebSocket, as newer kubectl does; the first byte of each message is the number of its stream."""

import json
import ssl
import struct

import pytest
import websocket

import engines
from engines import wait_for

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)


class Stream:
    """One streaming session at a URL that containerd gave."""

    def __init__(self, url, protocol="v4.channel.k8s.io"):
        self.socket = websocket.create_connection(
            url.replace("http", "ws", 1), subprotocols=[protocol], timeout=10 * engines.SLOWER,
            sslopt={"cert_reqs": ssl.CERT_NONE})
        self.got = {}

    def send(self, data, channel=STDIN):
        self.socket.send_binary(bytes([channel]) + data)

    def read(self):
        """One message into self.got; False at the end."""
        try:
            data = self.socket.recv()
        except websocket.WebSocketConnectionClosedException:
            return False
        if not data:
            return False
        self.got[data[0]] = self.got.get(data[0], b"") + data[1:]
        return True

    def until(self, channel, text):
        while text not in self.got.get(channel, b""):
            assert self.read(), (text, self.got)

    def end(self):
        """Reads to the end; the exit code."""
        while self.read():
            pass
        result = json.loads(self.got[ERROR])
        if result["status"] == "Success":
            return 0
        causes = result.get("details", {}).get("causes", [])
        codes = [int(c["message"]) for c in causes if c.get("reason") == "ExitCode"]
        return codes[0] if codes else result["message"]

    def close(self):
        self.socket.close()


def exec_in(box, *command, tty=False, stdin=False):
    url = box.containerd.cri("Exec", {"container_id": box.id, "cmd": list(command), "tty": tty,
                                      "stdin": stdin, "stdout": True, "stderr": not tty}).url
    return Stream(url)


def test_exec_without_a_terminal_keeps_the_streams_apart(containerd, runtime):
    box = containerd.pod(runtime).container("sleep 100")
    stream = exec_in(box, "sh", "-c", "echo out; echo err >&2; exit 5")
    assert stream.end() == 5
    assert (stream.got[STDOUT], stream.got[STDERR]) == (b"out\n", b"err\n")


def test_exec_reads_what_is_typed(containerd, runtime):
    box = containerd.pod(runtime).container("sleep 100")
    stream = exec_in(box, "sh", stdin=True)
    stream.send(b"id -u; echo second >&2; exit 4\n")
    assert stream.end() == 4
    assert stream.got[STDOUT] == (b"1000\n" if runtime == "runsafe" else b"0\n")


def test_exec_with_a_terminal(containerd, runtime):
    """kubectl exec -it: a terminal of its own, whose size follows the window."""
    box = containerd.pod(runtime).container("sleep 100")
    stream = exec_in(box, "sh", tty=True, stdin=True)
    stream.send(json.dumps({"Width": 123, "Height": 45}).encode(), RESIZE)
    stream.send(b"until stty size | grep '^45 123'; do sleep 0.1; done\n")
    stream.until(STDOUT, b"\r\n45 123\r\n")
    stream.send(b"tty; test -t 0 && test -t 1 && test -t 2 && echo all-$((1+1))\n")
    stream.until(STDOUT, b"all-2")
    assert b"/dev/pts/" in stream.got[STDOUT]
    stream.send(b"exit 9\n")
    assert stream.end() == 9


def test_ctrl_c_reaches_the_program_at_the_terminal(containerd, runtime):
    box = containerd.pod(runtime).container("sleep 100")
    stream = exec_in(box, "sh", "-c", "echo up; sleep 50; echo over; sleep 50", tty=True, stdin=True)
    stream.until(STDOUT, b"up")
    stream.send(b"\x03")
    assert stream.end() == 130


def test_exec_of_what_is_not_there_tells_the_client(containerd, runtime):
    box = containerd.pod(runtime).container("sleep 100")
    answer = exec_in(box, "no-such-program").end()
    assert "executable file not found in $PATH" in str(answer)


def test_attach_to_a_container_with_stdin(containerd, runtime):
    pod = containerd.pod(runtime)
    box = pod.container("echo up; while read line; do echo got $line; done", stdin=True,
                        stdin_once=True)
    url = containerd.cri("Attach", {"container_id": box.id, "stdin": True, "stdout": True,
                                    "stderr": True}).url
    stream = Stream(url)
    stream.send(b"one\n")
    stream.until(STDOUT, b"got one\n")
    stream.close()
    assert box.ended().exit_code == 0
    assert ("stdout", "got one") in box.log()


def test_attach_to_a_container_with_a_terminal(containerd, runtime):
    """kubectl run -it: the container's own process has /dev/console and a controlling terminal."""
    box = containerd.pod(runtime).container("sh -i", stdin=True, tty=True)
    url = containerd.cri("Attach", {"container_id": box.id, "stdin": True, "stdout": True,
                                    "tty": True}).url
    stream = Stream(url)
    stream.send(b"echo $((40+2)); test -c /dev/console && echo console-$((1+1))\n")
    stream.until(STDOUT, b"42\r\n")
    stream.until(STDOUT, b"console-2")
    stream.send(b"exit 3\n")
    assert box.ended().exit_code == 3


def test_a_port_is_forwarded(containerd, runtime):
    """kubectl port-forward: containerd dials in the sandbox's network namespace, on 127.0.0.1."""
    pod = containerd.pod(runtime)
    box = pod.container("echo forwarded >/tmp/index.html; exec httpd -f -p 8080 -h /tmp")
    wait_for("httpd", lambda: box.exec("nc 127.0.0.1 8080 </dev/null")[0] == 0)
    url = containerd.cri("PortForward", {"pod_sandbox_id": pod.id, "port": [8080]}).url
    stream = Stream(url + "?port=8080")
    # Two streams a port, data and errors; each begins with the port's number.
    stream.send(b"GET / HTTP/1.0\r\n\r\n", 0)
    stream.until(0, b"forwarded")
    assert struct.unpack("<H", stream.got[0][:2]) == (8080,)
    stream.close()


@pytest.mark.runtimes("runsafe", "own")
def test_a_closed_client_leaves_no_session_behind(containerd, runtime):
    box = containerd.pod(runtime).container("sleep 100")
    stream = exec_in(box, "cat", stdin=True)
    stream.send(b"x\n")
    stream.until(STDOUT, b"x\n")
    stream.close()
    wait_for("cat ended", lambda: "cat" not in box.out("ps -o comm").split())


