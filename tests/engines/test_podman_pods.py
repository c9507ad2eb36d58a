"""Pods of Podman: containers that share namespaces, by hand and by play kube."""

import pytest

from engines import assert_hardened, run, status_in, wait_for
from podman import alike, sh, workload_uid


def fetch(port):
    done = run("curl", "-s", "-m", "5", f"127.0.0.1:{port}", check=False)
    return done.text


def test_a_pod_from_its_first_to_its_last_day(podman, runtime):
    """create, start, ps, top, stats, pause, kill, stop, rm; net, ipc and uts are shared."""
    uid = workload_uid(runtime)
    podman("pod", "create", "--name", "p", "-p", "8096:80", runtime=runtime)
    podman("run", "-d", "--name", "a", "--pod", "p", podman.image("busybox"),
           *sh("trap 'exit 0' TERM; cd /tmp; echo web >index.html; touch /dev/shm/theirs;"
               "httpd -p 80;"
               "while :; do sleep 0.05; done"), runtime=runtime)
    wait_for("the pod's port is published", lambda: fetch(8096) == "web")
    said = podman("run", "--rm", "--pod", "p", "busybox", *sh(
        "wget -qO- 127.0.0.1; hostname; ls /dev/shm; id -u; ps | grep -c '[h]ttpd'; :"),
        runtime=runtime)
    assert said.text.split() == ["web", "p", "theirs", uid, "0"]

    def state():
        return podman("pod", "ps", "--format", "{{.Status}}").text

    assert state() == "Running"
    shown = podman("pod", "top", "p", "user", "comm").out
    assert "catatonit" in shown and "httpd" in shown and ("app" in shown) == (runtime == "runsafe")
    ids = podman("pod", "stats", "--no-stream", "--format", "{{.CID}}", "p").text.split()
    assert podman.inspect("a", ".ID")[:12] in ids
    podman("pod", "pause", "p")
    assert state() == "Paused"
    podman("pod", "unpause", "p")
    podman("pod", "kill", "p")
    wait_for("all of it is dead", lambda: state() == "Exited")
    podman("pod", "start", "p")
    wait_for("it serves again", lambda: fetch(8096) == "web")
    podman("pod", "stop", "p")
    podman("pod", "rm", "p")


@pytest.mark.runtimes("runsafe")
def test_each_container_of_a_pod_is_hardened_and_the_infra_container_too(podman, runtime):
    podman("pod", "create", "--name", "p", runtime=runtime)
    podman("run", "-d", "--pod", "p", podman.image("busybox"), "sleep", "100", runtime=runtime)
    identities = podman("ps", "-aq", "--no-trunc").text.split()
    assert len(identities) == 2
    for identity in identities:
        with open(f"/proc/{podman.pid(identity)}/status", encoding="utf-8") as f:
            assert_hardened(status_in(f.read()))


@alike
def test_a_pod_may_share_its_processes(podman, runtime):
    podman("pod", "create", "--name", "p", "--share", "pid,ipc,net,uts", runtime=runtime)
    podman("run", "-d", "--name", "a", "--pod", "p", podman.image("busybox"), "sleep", "88",
           runtime=runtime)
    said = podman("run", "--rm", "--pod", "p", "busybox", *sh(
        "ps | grep -c 'sleep 8[8]'; cat /proc/1/comm; id -u"), runtime=runtime)
    assert said.text.split() == ["1", "catatonit", workload_uid(runtime)]
    podman("kill", "a")
    assert podman("wait", "a").text == "137"
    podman("pod", "rm", "-ft0", "p")


@alike
def test_pods_are_made_in_passing_and_without_an_infra_container(podman, runtime):
    done = podman("run", "--rm", "--pod", "new:p", podman.image("busybox"), "id", "-u",
                  runtime=runtime)
    assert done.text == workload_uid(runtime)
    podman("pod", "create", "--name", "q", "--infra=false", "--share", "", runtime=runtime)
    done = podman("run", "--rm", "--pod", "q", "busybox", "id", "-u", runtime=runtime)
    assert done.text == workload_uid(runtime)


KUBE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: cm}
data: {greet: hello, file.txt: from the map}
---
apiVersion: v1
kind: Secret
metadata: {name: sec}
stringData: {pw: hush}
---
apiVersion: v1
kind: Pod
metadata: {name: kp}
spec:
  restartPolicy: Never
  initContainers:
  - name: first
    image: docker.io/library/busybox:latest
    imagePullPolicy: Never
    command: [sh, -c, "id -u >/work/first"]
    volumeMounts: [{name: work, mountPath: /work}]
  containers:
  - name: main
    image: docker.io/library/busybox:latest
    imagePullPolicy: Never
    command: [sh, -c, "id -u; id -g; cat /work/first /cm/file.txt; echo; cat /sec/pw; echo;
      echo $G $P;
      for d in /empty /claim /tmp; do touch $d/x && echo $d; done; echo done; trap 'exit 0' TERM;
      while :; do sleep 0.1; done"]
    env:
    - {name: G, valueFrom: {configMapKeyRef: {name: cm, key: greet}}}
    - {name: P, valueFrom: {secretKeyRef: {name: sec, key: pw}}}
    securityContext:
      runAsUser: 1234
      runAsGroup: 1235
      readOnlyRootFilesystem: true
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL]}
    livenessProbe: {exec: {command: [test, -e, /empty/x]}, periodSeconds: 99}
    ports: [{containerPort: 80, hostPort: 8095}]
    volumeMounts:
    - {name: work, mountPath: /work}
    - {name: cm, mountPath: /cm}
    - {name: sec, mountPath: /sec}
    - {name: empty, mountPath: /empty}
    - {name: claim, mountPath: /claim}
  volumes:
  - {name: work, hostPath: {path: WORK}}
  - {name: cm, configMap: {name: cm}}
  - {name: sec, secret: {secretName: sec}}
  - {name: empty, emptyDir: {}}
  - {name: claim, persistentVolumeClaim: {claimName: claim}}
"""


def test_kube_play_brings_all_of_a_pod(podman, runtime, folder):
    """Init container, config map, secret, volumes, probe, security context; and kube down."""
    podman.image("busybox")
    work = folder / "work"
    work.mkdir()
    work.chmod(0o777)
    (folder / "pod.yaml").write_text(KUBE.replace("WORK", str(work)))
    podman("kube", "play", folder / "pod.yaml", runtime=runtime)
    said = wait_for("the workload said all", lambda: "done" in (t := podman("logs",
                                                                            "kp-main").out) and t)
    assert said.split("\n")[:10] == ["1234", "1235", workload_uid(runtime), "from the map", "hush",
                                     "hello hush", "/empty", "/claim", "/tmp", "done"]
    podman("healthcheck", "run", "kp-main")
    status = status_in(podman("exec", "kp-main", "cat", "/proc/self/status").out)
    assert int(status["CapEff"], 16) == 0 and status["NoNewPrivs"] == "1"
    assert "kind: Pod" in podman("kube", "generate", "kp").out
    podman("kube", "down", "--force", folder / "pod.yaml")
    assert podman("ps", "-aq").text == "" and podman("pod", "ps", "-q").text == ""


@alike
def test_what_is_generated_can_be_played(podman, runtime, folder):
    podman("run", "-d", "--name", "g", podman.image("busybox"),
           *sh("trap 'exit 0' TERM; sleep 100 & wait"),
           runtime=runtime)
    text = podman("kube", "generate", "g").out
    podman("rm", "-ft0", "g")
    (folder / "g.yaml").write_text(text.replace("    image:",
                                                "    imagePullPolicy: Never\n    image:"))
    podman("kube", "play", folder / "g.yaml", runtime=runtime)
    assert podman("exec", "g-pod-g", "id", "-u").text == workload_uid(runtime)
    podman("kube", "down", folder / "g.yaml")


@pytest.mark.runtimes("runsafe")
def test_kube_play_takes_flags_for_the_runtime(podman, runtime, folder):
    podman.image("busybox")
    (folder / "pod.yaml").write_text("""
apiVersion: v1
kind: Pod
metadata: {name: kp}
spec:
  hostNetwork: true
  containers:
  - name: m
    image: docker.io/library/busybox:latest
    imagePullPolicy: Never
    command: [sleep, "100"]
""")
    done = podman("kube", "play", folder / "pod.yaml", runtime=runtime, check=False)
    assert done.status != 0 and "--allow host-network" in done.err
    podman("kube", "down", folder / "pod.yaml", check=False)
    podman("kube", "play", folder / "pod.yaml", runtime=runtime, flags=["allow=host-network"])
    assert podman("exec", "kp-m", "id", "-u").text == "1000"
    podman("pod", "rm", "-ft0", "kp")
