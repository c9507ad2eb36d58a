"""podman build and buildah: a build needs root and a root file system that it can write."""

import pytest

import podman as podman_module
import rootless
from engines import run

FILE = """\
FROM busybox AS first
RUN id -u >/who && mkdir -m 700 /private && chown 55:66 /private && ln -s who /link && \\
    echo 'app:x:55:66::/private:/bin/sh' >>/etc/passwd
FROM busybox
COPY --from=first /who /private /
COPY --from=first /etc/passwd /etc/passwd
ARG WORD=none
ENV WORD=$WORD
RUN --mount=type=cache,target=/cache --mount=type=secret,id=word --mount=type=tmpfs,target=/t \\
    --mount=type=bind,from=first,source=/etc,target=/first --network=none \\
    echo x >>/cache/x && cat /run/secrets/word >/word && touch /t/x && \\
    grep -q app /first/passwd && test "$(ls /sys/class/net)" = lo && \\
    mkdir /private && chown app /private
WORKDIR /private
USER app
RUN id -u >app && test "$PWD" = /private
CMD cat /who /word app; echo $WORD; test -e /t/x || echo clean
"""


@pytest.fixture
def context(folder):
    (folder / "Containerfile").write_text(FILE)
    (folder / "word").write_text("s3cret\n")
    return folder


@pytest.fixture(scope="module")
def anns():
    one = rootless.make("ann", 1003)
    yield one
    one.stop()


@pytest.fixture(params=["root", "rootless"])
def either(request):
    """The Podman of root, and that of an ordinary user."""
    one = request.getfixturevalue("podman" if request.param == "root" else "anns")
    yield one
    one.clean()


def build(podman, context, *words, **options):
    podman.image("busybox")
    return podman("build", "--network=none", "--pull=never", f"--secret=id=word,src={context}/word",
                  "-t", "built", *words, context, **options)


# How each runtime is told to let a build through.
LETS = {"runsafe": ["policy=oci"], "runsafe-oci": [], "own": []}


@pytest.mark.runtimes("runsafe", "own")
def test_a_build_with_stages_mounts_secrets_and_users(podman, runtime, context):
    """RUN, COPY --from, --mount of each type, ARG, USER; then once more out of the cache."""
    first = build(podman, context, "--no-cache", "--build-arg", "WORD=hello", runtime=runtime,
                  flags=LETS[runtime])
    assert "Using cache" not in first.out
    again = build(podman, context, "--build-arg", "WORD=hello", runtime=runtime,
                  flags=LETS[runtime])
    assert again.out.count("Using cache") > 7 and first.text.splitlines()[-1] in again.out
    # What was built runs under any policy.
    done = podman("run", "--rm", "--network=none", "built", runtime=runtime)
    podman("rmi", "-f", "built")
    assert done.out.split() == ["0", "s3cret", "55", "hello", "clean"]


@pytest.mark.runtimes("runsafe", "runsafe-strict")
def test_without_policy_oci_a_build_is_refused_and_says_what_it_needs(either, runtime, context):
    """RUN steps are known by buildah's names for them; the sentence reaches the user."""
    done = build(either, context, runtime=runtime, check=False)
    assert done.status != 0
    assert "image build" in done.err and "needs root and a rootfs that it can write" in done.err
    assert "--runtime-flag policy=oci" in done.err and "runsafe-oci" in done.err


@pytest.mark.runtimes("runsafe")
def test_a_step_that_needs_neither_root_nor_to_write_may_run_where_the_owner_says_so(
        podman, runtime, folder):
    (folder / "Containerfile").write_text("FROM busybox\nUSER 55\nRUN touch /tmp/x; id -u\n")
    podman.image("busybox")
    done = podman("build", "--network=none", folder, runtime=runtime,
                  flags=["allow=rootfs-writable"])
    assert "\n55\n" in done.out


def test_a_step_that_fails_fails_the_build_with_its_status(podman, runtime, folder):
    (folder / "Containerfile").write_text("FROM busybox\nRUN echo said; exit 42\n")
    podman.image("busybox")
    done = podman("build", "--network=none", folder, runtime=runtime, flags=LETS[runtime],
                  check=42)
    assert "said" in done.out and "exit status 42" in done.err
    (folder / "Containerfile").write_text("FROM busybox\nRUN [\"/nonesuch\"]\n")
    done = podman("build", "--network=none", folder, runtime=runtime, flags=LETS[runtime],
                  check=False)
    assert done.status != 0 and "nonesuch" in done.err


class Buildah:
    """buildah beside a Podman: same storage, same settings."""

    def __init__(self, podman):
        self.podman = podman

    def __call__(self, *words, **options):
        podman = self.podman
        env = {**podman.env, "BUILDAH_ISOLATION": "oci"}
        return run(*podman.prefix, "buildah", "--root", podman.root, "--runroot", podman.runroot,
                   *words, env=env, cwd="/", **options)


def test_buildah_run_and_bud(anns, runtime, folder):
    """buildah's own commands, without root; of states it knows created, running, stopped."""
    anns.image("busybox")
    buildah = Buildah(anns)
    chosen = ["--runtime", podman_module.path_of(podman_module.name_of(runtime)),
              *[f"--runtime-flag={flag}" for flag in LETS[runtime]]]
    box = buildah("from", "--pull=never", "busybox").text
    try:
        done = buildah("run", *chosen, box, "--", "sh", "-c", "id -u; echo ok >/ok; exit 3",
                       check=3)
        assert done.out.split() == ["0"]
        done = buildah("run", "--user=55", *chosen, box, "sh", "-c", "id -u; cat /ok")
        assert done.out.split() == ["55", "ok"]
        if runtime == "runsafe":
            done = buildah("run", *chosen[:2], box, "id", check=False)
            assert done.status != 0 and "--runtime-flag policy=oci" in done.err
    finally:
        buildah("rm", box)
    (folder / "Containerfile").write_text("FROM busybox\nRUN id -u >/who; chown 55 /who\n")
    buildah("bud", "--network=none", "--pull=never", "-t", "built", *chosen, folder)
    try:
        done = anns("run", "--rm", "--network=none", "built", "sh", "-c",
                    "cat /who; stat -c %u /who", runtime=runtime)
        assert done.out.split() == ["0", "55"]
    finally:
        anns("rmi", "-f", "built")
        anns.clean()
