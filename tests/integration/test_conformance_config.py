"""config.md of the runtime specification 1.3.0: what has no test elsewhere. Each is named after its
line in tests/conformance/requirements; the docstrings are our words."""

import pytest

import harness
from test_mounts import bind, inside, source  # noqa: F401

# config.md, "Linux mount options": the words that a runtime must know, and what mountinfo then shows
# of the mount itself ("") or does not show ("-").
WORDS = {
    "async": "-sync", "atime": "-noatime", "bind": "", "defaults": "-ro", "dev": "-nodev",
    "diratime": "-nodiratime", "dirsync": "", "exec": "-noexec", "iversion": "", "lazytime": "",
    "loud": "", "noatime": "noatime", "nodev": "nodev", "nodiratime": "nodiratime",
    "noexec": "noexec", "noiversion": "", "nolazytime": "-lazytime", "norelatime": "",
    "nostrictatime": "", "nosuid": "nosuid", "private": "", "rbind": "", "relatime": "relatime",
    "ro": "ro", "rprivate": "", "rshared": "", "rslave": "", "runbindable": "", "rw": "rw",
    "shared": "", "silent": "", "slave": "", "strictatime": "-noatime", "suid": "-nosuid",
    "sync": "", "unbindable": ""}


@pytest.mark.parametrize("word", WORDS)
def test_config_mount_options_1_each_word_is_known(oci, plain, source, word):
    """Each word that the table requires is taken on a bind, and shows where the kernel shows it."""
    seen = inside(oci, bind(plain, source, "/opt", "rbind", word))["/opt"]
    shown = WORDS[word]
    assert not shown or (shown[1:] not in seen.options if shown[0] == "-" else shown in seen.options)


@pytest.mark.parametrize("word", [w for w in WORDS if "bind" not in w or "un" in w])
def test_config_mount_options_1_each_word_is_known_for_a_new_mount(oci, plain, word):
    """The same on a file system that is new."""
    plain.mount(destination="/opt", type="tmpfs", source="tmpfs", options=[word])
    seen = inside(oci, plain)["/opt"]
    shown = WORDS[word]
    everything = seen.options | seen.data
    assert not shown or (shown[1:] not in everything if shown[0] == "-" else shown in everything)
    for flag in ("sync", "dirsync", "lazytime"):
        assert (flag in seen.data) == (flag == word)


def test_config_root_1_is_required(oci, plain):
    """Without root, without root.path, or where no directory is there, it is an error."""
    oci.create_fails(plain.set("root.path", "no-such"), "root.path")
    oci.create_fails(plain.drop("root.path").write(), "root.path")
    oci.create_fails(plain.drop("root").write(), "root")


def test_config_console_size_1_is_ignored_without_a_terminal(oci, plain):
    """consoleSize without a terminal changes nothing, terminal false or not there."""
    plain.set("process.consoleSize", {"height": 33, "width": 111})
    assert oci.sh(plain, "test -t 0 || echo none").out == "none\n"
    assert oci.sh(plain.drop("process.terminal"), "test -t 0 || echo none").out == "none\n"


@pytest.mark.parametrize("soft,hard", [(64, 128), (7, 7), (0, 9)])
def test_config_rlimits_2_are_what_getrlimit_says(oci, plain, soft, hard):
    """For each entry the kernel's two values are those of config.json."""
    plain.set("process.rlimits", [{"type": "RLIMIT_MSGQUEUE", "soft": soft, "hard": hard},
                                  {"type": "RLIMIT_CORE", "soft": soft, "hard": hard}])
    lines = oci.sh(plain, "cat /proc/self/limits").lines
    for words in ("Max msgqueue size", "Max core file size"):
        line, = [x for x in lines if x.startswith(words)]
        assert line[len(words):].split()[:2] == [str(soft), str(hard)]


@pytest.mark.parametrize("policy,expected", [("SCHED_OTHER", "0"), ("SCHED_BATCH", "0")])
def test_config_scheduler_1_what_is_not_set_is_0(oci, plain, policy, expected):
    """nice, where it is not said, is 0, whatever the runtime's own is."""
    plain.set("process.scheduler", {"policy": policy})
    command = oci.command("run", "-b", plain.sh("cut -d' ' -f19 /proc/self/stat").path, oci.id())
    done = harness.subprocess.run(["nice", "-n", "5", *command], capture_output=True, text=True,
                                  timeout=harness.TIME_LIMIT, check=True)
    assert done.stdout.strip() == expected


@pytest.mark.parametrize("value", [["a"], "a", {"": "x"}, {"org.example": 5},
                                   {"org.example": {"deep": "x"}}],
                         ids=["list", "string", "empty key", "number", "object"])
def test_config_annotations_1_are_strings_by_name(oci, plain, value):
    """annotations that are no map of names that are not empty to strings are an error."""
    oci.create_fails(plain.set("annotations", value), "annotations")


@pytest.mark.parametrize("value", [{}, {"org.example.unknown": ""},
                                   {"org.opencontainers.image.os": "linux",
                                    "org.opencontainers.unheard.of": "x"}])
def test_config_annotations_2_unknown_ones_are_no_error(oci, plain, value):
    """Names that runsafe does not know are no error, and nor is an empty value or map."""
    name = oci.running(plain.set("annotations", value))
    assert oci.state(name).get("annotations", {}) == value


@pytest.mark.parametrize("path", ["futureKey", "process.futureKey", "root.futureKey",
                                  "linux.futureKey", "linux.resources.futureKey",
                                  "linux.resources.memory.futureKey", "mounts.0.futureKey",
                                  "linux.namespaces.0.futureKey", "hooks.futureKey",
                                  "process.user.futureKey"])
@pytest.mark.parametrize("value", ["x", {"deep": [1, {"er": None}]}], ids=["text", "object"])
def test_config_extensibility_1_unknown_properties_are_ignored(oci, plain, path, value):
    """A property that the specification does not have is ignored, wherever it is."""
    plain.set("linux.resources.memory", {}).set("hooks", {})
    assert oci.sh(plain.set(path, value), "echo runs").out == "runs\n"


@pytest.mark.parametrize("path,value", [
    ("ociVersion", "2.0.0"), ("ociVersion", "one"),
    ("process.rlimits", [{"type": "RLIMIT_FLY", "soft": 1, "hard": 1}]),
    ("process.ioPriority", {"class": "IOPRIO_CLASS_BEST", "priority": 1}),
    ("process.scheduler", {"policy": "SCHED_SLOW"}),
    ("linux.namespaces", [{"type": "planet"}]),
    ("linux.rootfsPropagation", "public"),
    ("linux.personality", {"domain": "WINDOWS"}),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_MAYBE"}),
    ("linux.devices", [{"type": "z", "path": "/dev/z", "major": 1, "minor": 2}]),
    ("linux.resources.pids", {"limit": "many"}),
    ("linux.resources.hugepageLimits", [{"pageSize": "2 apples", "limit": 1}]),
    ("linux.memoryPolicy", {"mode": "MPOL_NEAREST", "nodes": "0"}),
    ("linux.timeOffsets", {"wallclock": {"secs": 1}}),
    ("process.user.uid", -1), ("process.user.uid", 4294967296), ("process.user.umask", "077"),
    ("mounts", [{"destination": "/x", "type": 5}])])
def test_config_valid_values_1_others_are_an_error(oci, plain, path, value):
    """A value that is not valid, or that runsafe does not support, is an error that names its
    place."""
    oci.create_fails(plain.set(path, value), path.split(".")[-1].rstrip("s"))


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer", "startContainer",
                                  "poststart", "poststop"])
def test_config_hooks_1_of_each_kind_have_absolute_paths_and_real_timeouts(oci, plain, kind):
    """path must be absolute and a timeout greater than 0, for hooks of each kind."""
    oci.create_fails(plain.set("hooks", {kind: [{"path": "bin/true"}]}), f"hooks.{kind}[0].path")
    oci.create_fails(plain.set("hooks", {kind: [{"path": "/bin/true", "timeout": 0}]}),
                     f"hooks.{kind}[0].timeout")
    oci.create_fails(plain.set("hooks", {kind: [{"path": "/bin/true", "timeout": -1}]}),
                     f"hooks.{kind}[0].timeout")
    oci.create_fails(plain.set("hooks", {kind: [{"args": ["true"]}]}), f"hooks.{kind}[0].path")
