"""containerd, its client ctr, and a client that speaks CRI to it as a kubelet does."""

import importlib
import json
import pathlib
import shutil
import sys
import uuid
import warnings

import engines
from engines import run, wait_for

HERE = pathlib.Path(__file__).parent
PAUSE = "docker.io/library/pause:latest"

# What a kubelet lists for each container that does not say procMount: Unmasked.
MASKED = ["/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
          "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

CONFIG = """version = 2
root = "{root}"
state = "{state}"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = {restricted}
  disable_hugetlb_controller = false
  stream_server_address = "127.0.0.1"
  enable_cdi = true
  cdi_spec_dirs = ["{folder}/cdi"]
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{folder}/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "runc"
"""

HANDLER = """[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}]
  runtime_type = "io.containerd.runc.v2"
  {more}
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}.options]
  BinaryName = "{program}"
  SystemdCgroup = {systemd}
  {options}
"""

# What containerd hands on as options of the runtime, and as owner of its pipes.
ODD = """NoPivotRoot = true
  NoNewKeyring = true
  Root = "/run/odd-root"
  IoUid = 4242
  IoGid = 4243"""

NETWORK = {"cniVersion": "1.0.0", "name": "pods", "plugins": [
    {"type": "bridge", "bridge": "pods0", "isGateway": True,
     "ipam": {"type": "host-local", "dataDir": "", "ranges": [[{"subnet": "10.244.7.0/24"}]],
              "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": True}}]}

# runc can not be told to start without controllers; beside ours it runs with the limits left out.
BARE_RUNC = """#!/bin/sh
before=
for word; do
	if [ "$before" = --bundle ]; then
		jq -c '.linux.resources |= {devices: .devices}' "$word/config.json" >"$word/config.new" &&
			mv "$word/config.new" "$word/config.json"
	fi
	before=$word
done
exec /usr/bin/runc "$@"
"""


# Policy files of an administrator, as docs/kubernetes.md shows them: each is the handler runsafe-NAME.
POLICIES = {
    "hostns": {"extends": "default", "namespaces": {"network": "keep", "pid": "keep", "ipc": "keep"}},
    "netadmin": {"extends": "default", "capabilities": {"give": ["CAP_NET_ADMIN"]}},
    "root": {"extends": "default", "user": {"root": "keep"}},
    "writable": {"extends": "default", "rootfs": {"readonly": False}},
    "jit": {"extends": "default", "rootfs": {"tmpfs": {"/tmp": {"exec": True}, "/home": {}}}},
    "kmsg": {"extends": "default", "devices": {"allow": ["/dev/kmsg"]}},
    "agent": {"extends": "default", "mounts": {"allowBinds": ["/run/containerd/containerd.sock",
                                                              "/proc"]}},
    "rootgroup": {"extends": "default", "user": {"rootGroup": "keep"}},
    "debug": {"extends": "default", "seccomp": {"allow": ["ptrace"]}},
    "roomy": {"extends": "default", "limits": {"memory": "4g", "cpus": "unlimited"}},
    "tuning": {"extends": "default", "sysctl": {"allow": ["vm.swappiness"]}},
    "entrypoint": {"extends": "default", "user": {"root": "keep"}, "capabilities": {
        "give": ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_SETGID", "CAP_SETUID"]}},
    "storage": {"extends": "default", "rootfs": {"propagation": "keep"}},
    "careful": {"extends": "strict", "namespaces": {"cgroup": "add"},
                "limits": {"memory": "1g", "cpus": "1", "pids": "1024"}},
    "notes": {"extends": "default", "annotations": ["rootfs-writable", "tmpfs"]},
}


def load_interface(folder):
    """Compiles cri/cri.proto; returns its messages, and the maker of a client."""
    from grpc_tools import protoc

    assert protoc.main(["", f"-I{HERE}/cri", f"--python_out={folder}", f"--grpc_python_out={folder}",
                        str(HERE / "cri/cri.proto")]) == 0
    sys.path.insert(0, str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Debian's protobuf is older than its Python
        return importlib.import_module("cri_pb2"), importlib.import_module("cri_pb2_grpc")


def name_of(runtime):
    """The name under which containerd has it: its own is runc."""
    return "runc" if runtime == "own" else runtime


class Containerd:
    """A containerd with folders, a socket and settings of its own. handlers: more runtimes for CRI,
    name to lines for its section."""

    def __init__(self, folder, systemd=False):
        self.folder = pathlib.Path(folder)
        self.systemd = systemd
        self.socket = self.folder / "containerd.sock"
        self.root = pathlib.Path("/var/lib/containerd") / self.folder.name
        self.state = pathlib.Path("/run") / self.folder.name
        self.programs = {name: f"/usr/local/bin/{name}" for name in engines.OURS}
        self.programs["runc"] = "/usr/bin/runc"
        if not engines.has_limits():
            self.programs["runc"] = self.folder / "runc"
            (self.folder / "runc").write_text(BARE_RUNC)
            (self.folder / "runc").chmod(0o755)
        self.handlers = dict(self.programs)
        for name in ("runsafe", "runsafe-oci", "runc"):
            self.handlers[f"odd-{name}"] = self.programs[name]
        # What an annotation of a pod could do, where the administrator lets them through.
        self.handlers["annotated"] = self.programs["runsafe"]
        passing = ('pod_annotations = ["io.runsafe.*"]\n'
                   '  container_annotations = ["io.runsafe.*"]')
        self.more = {"annotated": passing, "runsafe-notes": passing}
        # A symlink whose policy file somebody forgot.
        self.handlers["runsafe-forgotten"] = "/opt/runsafe/runsafe-forgotten"
        link = pathlib.Path("/opt/runsafe/runsafe-forgotten")
        link.unlink(missing_ok=True)
        link.symlink_to("runsafe")
        (self.folder / "net.d").mkdir()
        network = json.loads(json.dumps(NETWORK))
        network["plugins"][0]["ipam"]["dataDir"] = str(self.folder / "addresses")
        (self.folder / "net.d/10-pods.conflist").write_text(json.dumps(network))
        self.daemon = engines.Daemon("containerd", ["containerd", "-c", self.folder / "config.toml"],
                                     self.folder)
        self.loaded = set()
        self.messages, self.services = load_interface(self.folder)
        self.channel = None

    def add_policy(self, name, policy):
        """A handler runsafe-NAME for the policy file /etc/runsafe/NAME.json, as an administrator
        makes it; before start()."""
        path = pathlib.Path(f"/etc/runsafe/{name}.json")
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(policy))
        link = pathlib.Path(f"/opt/runsafe/runsafe-{name}")
        link.unlink(missing_ok=True)
        link.symlink_to("runsafe")
        program = pathlib.Path(f"/usr/local/bin/runsafe-{name}")
        program.unlink(missing_ok=True)
        if engines.has_limits():
            program.symlink_to(link)
        else:
            program.write_text(f'#!/bin/sh\nexec {link} --cgroup=available "$@"\n')
            program.chmod(0o755)
        self.handlers[f"runsafe-{name}"] = str(program)

    def start(self):
        text = CONFIG.format(root=self.root, state=self.state, socket=self.socket, pause=PAUSE,
                             folder=self.folder,
                             restricted=str(engines.GROUND == "native").lower())
        for name, program in self.handlers.items():
            text += HANDLER.format(name=name, program=program, more=self.more.get(name, ""),
                                   systemd=str(self.systemd).lower(),
                                   options=ODD if name.startswith("odd-") else "")
        (self.folder / "config.toml").write_text(text)
        self.daemon.start(self.is_ready)
        for name in ("pause", "busybox"):
            self.image(name)
        return self

    def is_ready(self):
        if self.ctr("version", check=False).status != 0:
            return False
        try:
            return all(condition.status for condition in self.cri("Status", {}).status.conditions)
        except Failed:
            return False  # "server is not initialized yet"

    def connect(self):
        import grpc

        if self.channel:
            self.channel.close()
        self.channel = grpc.insecure_channel(f"unix://{self.socket}")
        return self.services.RuntimeServiceStub(self.channel)

    def stop(self, signal="TERM"):
        self.client = None
        self.daemon.stop(signal)

    def restart(self, signal="TERM"):
        """Ends containerd and starts it again; shims and containers go on meanwhile."""
        self.stop(signal)
        self.daemon.start(self.is_ready)

    def close(self):
        if self.channel:
            self.channel.close()
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def ctr(self, *words, namespace="k8s.io", **options):
        return run("ctr", "-a", self.socket, "-n", namespace, *words, **options)

    def image(self, name):
        """Loads one of the images of tests/vm/images; its full name."""
        if name not in self.loaded:
            self.ctr("images", "import", engines.IMAGES / f"{name}.tar", timeout=120)
            self.loaded.add(name)
        return f"docker.io/library/{name}:latest"

    client = None

    def cri(self, call, request, timeout=30):
        """One call of CRI; request: the fields as a dict. Raises grpc.RpcError, or Failed."""
        import grpc
        from google.protobuf import json_format

        self.client = self.client or self.connect()
        method = getattr(self.client, call)
        kind = self.messages.DESCRIPTOR.services_by_name["RuntimeService"].methods_by_name[call]
        message = getattr(self.messages, kind.input_type.name)()
        json_format.ParseDict(request, message)
        try:
            return method(message, timeout=timeout * engines.SLOWER, wait_for_ready=True)
        except grpc.RpcError as error:
            raise Failed(call, error.code().name, error.details()) from None

    def pod(self, runtime, **options):
        return Pod(self, name_of(runtime), **options)

    def clean(self):
        """Takes all pods and containers away; then nothing of them may be left anywhere."""
        for pod in self.cri("ListPodSandbox", {}).items:
            self.cri("StopPodSandbox", {"pod_sandbox_id": pod.id}, 60)
            self.cri("RemovePodSandbox", {"pod_sandbox_id": pod.id}, 60)
        for task in self.ctr("tasks", "ls", "-q").out.split():
            self.ctr("tasks", "kill", "-s", "KILL", task, check=False)
            self.ctr("tasks", "rm", "-f", task, check=False)
        for container in self.ctr("containers", "ls", "-q").out.split():
            self.ctr("containers", "rm", container, check=False)
        wait_for("no shim is left", lambda: not self.shims())
        assert self.states() == []
        for pattern in ("kubepods*/**/pod*/*", "k8s.io/*", "kubepods*/**/cri-containerd*"):
            left = [p for p in pathlib.Path("/sys/fs/cgroup").glob(pattern) if p.is_dir()]
            assert not left, f"cgroups are left: {left}"

    def shims(self):
        """The ids of shims that run for this containerd."""
        return run("pgrep", "-f", f"^/usr/bin/containerd-shim-runc-v2.*{self.socket}",
                   check=False).out.split()

    def states(self):
        """What runtimes have on record: containerd gives all of them one root."""
        return [path.name for path in pathlib.Path("/run/containerd/runc").glob("k8s.io/[!@]*")]


class Failed(Exception):
    """What containerd refused, with its sentence."""

    def __init__(self, call, code, text):
        super().__init__(f"{call}: {code}: {text}")
        self.call, self.code, self.text = call, code, text


def values(context):
    """The numbers that CRI wraps (run_as_user: 1000), wrapped."""
    return {key: {"value": value} if key in ("run_as_user", "run_as_group") else value
            for key, value in context.items()}


class Pod:
    """A pod as a kubelet makes it. security: its security context's fields; linux: more of its
    linux part; more: fields of the pod."""

    def __init__(self, containerd, handler, security=None, linux=None, namespaces=None, start=True,
                 **more):
        self.containerd, self.handler = containerd, handler
        self.uid = str(uuid.uuid4())
        self.folder = containerd.folder / "pods" / self.uid
        self.namespaces = {"network": "POD", "pid": "CONTAINER", "ipc": "POD", **(namespaces or {})}
        parent = f"/kubepods/burstable/pod{self.uid}"
        if containerd.systemd:
            short = self.uid.replace("-", "_")
            parent = ("/kubepods.slice/kubepods-burstable.slice/"
                      f"kubepods-burstable-pod{short}.slice")
        self.config = {
            "metadata": {"name": "web", "uid": self.uid, "namespace": "default"},
            "hostname": "web", "log_directory": str(self.folder / "logs"),
            "dns_config": {"servers": ["10.96.0.10"], "searches": ["default.svc.cluster.local"],
                           "options": ["ndots:5"]},
            "linux": {
                "cgroup_parent": parent,
                "security_context": {"namespace_options": self.namespaces,
                                     "seccomp": {"profile_type": "RuntimeDefault"},
                                     **values(security or {})},
                **(linux or {})},
            **more}
        if self.namespaces["network"] == "NODE":
            self.config["hostname"] = ""
        self.folder.mkdir(parents=True)
        self.id = self.run() if start else None

    def run(self):
        answer = self.containerd.cri("RunPodSandbox", {"config": self.config,
                                                       "runtime_handler": self.handler})
        self.id = answer.pod_sandbox_id
        return self.id

    def container(self, command, start=True, **options):
        container = Container(self, command, **options)
        if start:
            container.start()
        return container

    def status(self):
        answer = self.containerd.cri("PodSandboxStatus", {"id": self.id, "verbose": True})
        return answer.status, json.loads(answer.info["info"])

    def pid(self):
        return self.status()[1]["pid"]

    def remove(self):
        self.containerd.cri("StopPodSandbox", {"pod_sandbox_id": self.id}, 60)
        self.containerd.cri("RemovePodSandbox", {"pod_sandbox_id": self.id}, 60)


class Container:
    """A container as a kubelet makes it. security: its security context's fields, seccomp
    RuntimeDefault unless said; image: of tests/vm/images; mounts: [(host, path, "ro" or "rw")]."""

    def __init__(self, pod, command, image="busybox", security=None, resources=None, mounts=(),
                 name=None, namespaces=None, attempt=0, kubelet_mounts=True, **more):
        self.pod, self.containerd = pod, pod.containerd
        self.name = name or f"c{uuid.uuid4().hex[:8]}"
        folder = pod.folder / self.name
        folder.mkdir(exist_ok=True)
        self.message_file = folder / "termination-log"
        self.message_file.touch()
        self.message_file.chmod(0o666)
        self.log_file = pod.folder / "logs" / self.name / f"{attempt}.log"
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        mounts = [*mounts]
        if kubelet_mounts:
            hosts = pod.folder / "etc-hosts"
            hosts.write_text("127.0.0.1\tlocalhost\n10.244.7.9\tweb\n")
            mounts += [(hosts, "/etc/hosts", "rw"),
                       (self.message_file, "/dev/termination-log", "rw")]
        if isinstance(command, str):
            command = ["sh", "-c", command]
        context = {"namespace_options": {**pod.namespaces, **(namespaces or {})},
                   "masked_paths": MASKED, "readonly_paths": READONLY,
                   "seccomp": {"profile_type": "RuntimeDefault"}, **values(security or {})}
        if context.get("privileged"):
            del context["masked_paths"], context["readonly_paths"]
        self.config = {
            "metadata": {"name": self.name, "attempt": attempt},
            "image": {"image": self.containerd.image(image)}, "command": command,
            "mounts": [m if isinstance(m, dict) else
                       {"host_path": str(m[0]), "container_path": m[1], "readonly": m[2] == "ro"}
                       for m in mounts],
            "log_path": f"{self.name}/{attempt}.log",
            "linux": {"resources": {"cpu_shares": 102, "oom_score_adj": 1000, **(resources or {})},
                      "security_context": context},
            **more}
        answer = self.containerd.cri("CreateContainer", {
            "pod_sandbox_id": pod.id, "config": self.config, "sandbox_config": pod.config})
        self.id = answer.container_id

    def start(self):
        self.containerd.cri("StartContainer", {"container_id": self.id})

    def exec(self, *command, timeout=0):
        """ExecSync: (exit code, stdout, stderr)."""
        if len(command) == 1:
            command = ("sh", "-c", *command)
        answer = self.containerd.cri("ExecSync", {"container_id": self.id, "cmd": list(command),
                                                  "timeout": timeout})
        return answer.exit_code, answer.stdout.decode(), answer.stderr.decode()

    def out(self, *command):
        """The same for what must succeed: stdout without its last newline."""
        code, out, err = self.exec(*command)
        assert code == 0 and err == "", (command, code, out, err)
        return out.rstrip("\n")

    def status(self):
        return self.containerd.cri("ContainerStatus", {"id": self.id}).status

    def info(self):
        answer = self.containerd.cri("ContainerStatus", {"id": self.id, "verbose": True})
        return json.loads(answer.info["info"])

    def pid(self):
        return self.info()["pid"]

    def ended(self, seconds=10):
        """Waits for its end; its status."""
        state = self.containerd.messages.CONTAINER_EXITED
        wait_for(f"{self.name} ended", lambda: self.status().state == state, seconds)
        return self.status()

    def log(self):
        """What it wrote: [(stream, text)], without the times."""
        lines = [line.split(" ", 3) for line in self.log_file.read_text().splitlines()]
        return [(stream, text) for _, stream, _, text in lines]

    def stop(self, timeout=0):
        self.containerd.cri("StopContainer", {"container_id": self.id, "timeout": timeout}, 60)

    def remove(self):
        self.containerd.cri("RemoveContainer", {"container_id": self.id}, 60)


def finish(pod, command, **options):
    """Runs a container to its end; what it wrote to stdout."""
    container = pod.container(command, **options)
    status = container.ended()
    assert status.exit_code == 0, (status, container.log())
    return "\n".join(text for stream, text in container.log() if stream == "stdout")


def stats_ready(ask, seconds=20):
    """containerd collects statistics every few seconds: waits until ask() has a number."""
    return wait_for("statistics", ask, seconds)


