"""What containers of Podman get of files of the host, and users that are not the host's."""

import os
import pathlib

import pytest

from engines import assert_hardened, run, status_in
from podman import alike, sh, workload_uid


@pytest.fixture
def go(podman, runtime):
    def start(*options, do=("true",), image="busybox", **more):
        return podman("run", "--rm", *options, podman.image(image), *do, runtime=runtime, **more)

    return start


@pytest.fixture
def shared(folder):
    """A folder of the host that all may write to, with a file of root's in it."""
    path = folder / "shared"
    path.mkdir()
    path.chmod(0o777)
    (path / "f").write_text("theirs")
    return path


@pytest.fixture(scope="module")
def subordinate_ids():
    """--userns=auto takes its ids from those of the user "containers"."""
    before = {}
    for name in ("/etc/subuid", "/etc/subgid"):
        path = pathlib.Path(name)
        before[path] = path.read_text() if path.exists() else ""
        path.write_text(before[path] + "containers:2000000:500000\n")
    yield
    for path, text in before.items():
        path.write_text(text)


def owners(path):
    """name -> uid of the files in a folder, as the host has them."""
    return {p.name: p.stat().st_uid for p in path.iterdir()}


def test_binds_are_read_and_written_as_asked_for(go, runtime, shared):
    uid = int(workload_uid(runtime))
    assert go("-v", f"{shared}:/h", do=sh("cat /h/f; touch /h/new")).text == "theirs"
    assert owners(shared) == {"f": 0, "new": uid}
    done = go("-v", f"{shared}:/h:ro", do=sh("touch /h/x"), check=1)
    assert "Read-only file system" in done.err
    done = go("--mount", f"type=bind,src={shared},dst=/h,ro=true,bind-propagation=rslave",
              do=sh("grep ' /h ' /proc/self/mountinfo; touch /h/x"), check=1)
    assert " ro," in done.out
    said = go("-v", f"{shared}:/h:exec,suid,dev,rshared",
              do=sh("grep ' /h ' /proc/self/mountinfo")).out
    assert ("nosuid,nodev" in said) == (runtime == "runsafe")
    # Mounts do not travel to the host under the default policy.
    assert ("shared:" in said) == (runtime != "runsafe")
    assert go("-v", f"{shared}/f:/etc/motd:ro", "-v", f"{shared}:/a/b/c",
              do=sh("cat /etc/motd; ls /a/b/c")
              ).text.split() == ["theirs" + "f", "new"]


@alike
def test_an_overlay_leaves_the_folder_alone(go, runtime, shared):
    go("-v", f"{shared}:/h:O", do=sh("touch /h/x && ls /h/x"))
    assert owners(shared) == {"f": 0}


@alike
def test_chowned_volumes_belong_to_the_user_that_podman_knows(go, runtime, shared):
    """:U goes by --user; Podman does not hear of the policy's 1000."""
    said = go("-v", f"{shared}:/h:U", "--user", "1000:1000",
              do=sh("touch /h/new; ls -n /h | grep -c 1000"))
    assert said.text == "2" and set(owners(shared).values()) == {1000}
    os.chmod(shared, 0o755)
    done = go("-v", f"{shared}:/h:U", do=sh("touch /h/more"),
              check=1 if runtime == "runsafe" else 0)
    assert owners(shared)["f"] == 0 and ("denied" in done.err) == (runtime == "runsafe")


def test_a_named_volume_belongs_to_its_first_user(podman, go, runtime):
    write = sh("touch /data/x && echo written")
    assert go("-v", "v1:/data", "--user", "1000:1000", do=write).text == "written"
    assert go("-v", "v1:/data", do=write).text == "written"
    # Without --user Podman gives it to root, whom the default policy replaces: so it does there.
    assert go("-v", "v2:/data", do=write).text == "written"
    said = go("-v", "v2:/data", do=sh("stat -c %u /data; touch /data/x")).text
    assert said == workload_uid(runtime)
    other = go("-v", "v2:/data", "--user", "55:55", do=write, check=False)
    if runtime == "runsafe":
        assert "/data: the volume belongs to 1000:1000 (mode 0755), and this workload, 55:55" in (
            other.err)
    options = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=uid=1000,size=1m")
    podman("volume", "create", *options, "v3")
    assert go("-v", "v3:/data", do=write).text == "written"


@pytest.mark.runtimes("runsafe", "runsafe-oci")
def test_a_new_volume_in_a_pod_that_has_ids_of_its_own(podman, runtime, subordinate_ids):
    """Its containers join the user namespace, and only that knows which ids those are outside."""
    podman("pod", "create", "--name=ids", "--userns=auto:size=5000", runtime=runtime)
    said = podman("run", "--rm", "--pod=ids", "-v", "pods:/data", podman.image("busybox"),
                  *sh("touch /data/x && stat -c %u /data"), runtime=runtime).text
    assert said == workload_uid(runtime)
    assert owners(pathlib.Path(
        podman("volume", "inspect", "-f", "{{.Mountpoint}}", "pods").text))["x"] == 2000000 + int(said)


def test_a_tmpfs_is_the_workloads_and_has_what_the_image_has_there(go, runtime):
    uid = workload_uid(runtime)
    said = go("--tmpfs", "/var/cache", image="debian",
              do=sh("touch /var/cache/x; ls -n /var/cache; stat -c %u /var/cache"))
    assert "debconf" in said.out and said.text.split()[-1] == uid
    said = go("--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700",
              do=sh("touch /t/x; stat -c %u /t"))
    assert said.text == uid
    go("--mount", "type=tmpfs,dst=/t,chown=true", do=("touch", "/t/x"))


@alike
def test_images_and_globs_can_be_mounted(podman, go, runtime):
    podman.image("busybox")
    done = go("--mount", "type=image,src=busybox,dst=/img", do=sh("ls -d /img/bin; touch /img/x"),
              check=1)
    assert done.text == "/img/bin" and "Read-only file system" in done.err
    said = go("--mount", "type=glob,src=/srv/images/*.tar,dst=/g", do=("ls", "/g")).text.split()
    assert "busybox.tar" in said
    assert "/mypts" in go("--mount", "type=devpts,dst=/mypts", do=("cat", "/proc/mounts")).out


WHO = sh("id -u; id -g; awk '{print $2}' /proc/self/uid_map; touch /tmp/x && stat -c %u /tmp/x")


@pytest.mark.parametrize("option, first", [
    (["--userns", "auto"], "2000000"),
    (["--uidmap", "0:100000:5000", "--gidmap", "0:100000:5000"], "100000"),
])
def test_users_of_a_namespace_are_nobody_on_the_host(podman, go, runtime, subordinate_ids, option,
                                                     first):
    uid = workload_uid(runtime)
    assert go(*option, do=WHO).text.split() == [uid, uid, first, uid]
    assert go(*option, "--user", "33:34", do=WHO).text.split() == ["33", "34", first, "33"]
    podman("run", "-d", "--name", "u", *option, podman.image("busybox"), "sleep", "100",
           runtime=runtime)
    assert podman("exec", "u", "id", "-u").text == uid
    host = str(int(first) + int(uid))
    assert podman("top", "u", "huser").text.split() == ["HUSER", host]
    # Another one joins it by its path.
    assert go("--userns", "container:u", do=WHO).text.split() == [uid, uid, first, uid]


@pytest.mark.runtimes("runsafe")
def test_privileged_in_a_user_namespace_is_hardened_as_well(go, subordinate_ids):
    status = go("--privileged", "--userns", "auto", do=("cat", "/proc/self/status"))
    assert_hardened(status_in(status.out))


@pytest.mark.runtimes("runsafe")
def test_a_namespace_too_small_for_the_workload_is_refused_by_name(go, subordinate_ids):
    done = go("--userns", "auto:size=500", check=126)
    assert "uid 1000, which the workload runs as, is not mapped" in done.err
    assert go("--userns", "auto:size=500", "--user", "33:33", do=("id", "-u")).text == "33"


def test_idmapped_binds_show_the_same_owners_inside_and_outside(go, runtime, shared,
                                                                subordinate_ids):
    uid = int(workload_uid(runtime))
    assert go("--userns", "auto", "-v", f"{shared}:/h:idmap", do=sh("stat -c %u /h/f; touch /h/new")
              ).text == "0"
    assert owners(shared) == {"f": 0, "new": uid}
    # The other way round: the workload's 1000 as root in the host's files.
    done = go("-v", f"{shared}:/h:idmap=uids=0-1000-1;gids=0-1000-1", do=sh("stat -c %u /h/f"),
              check=126 if runtime == "runsafe" else 0)
    if runtime == "runsafe":
        assert "would be 0, root, in the host's files" in done.err
    else:
        assert done.text == "1000"


@alike
def test_volumes_go_with_their_container(podman, runtime):
    podman("run", "--rm", "-v", "/data", podman.image("busybox"), "true", runtime=runtime)
    assert podman("volume", "ls", "-q").text == ""
    podman("create", "--name", "c", "-v", "v:/data", "--user", "1000:1000", "busybox", "touch",
           "/data/x",
           runtime=runtime)
    podman("start", "-a", "c")
    mountpoint = podman.inspect("v", ".Mountpoint", "--type", "volume")
    assert run("ls", mountpoint).text == "x"
    done = podman("run", "--rm", "--volumes-from", "c", "busybox", "ls", "/data", runtime=runtime)
    assert done.text == "x"
    podman("rm", "c")
