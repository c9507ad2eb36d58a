"""docs/docker.md, troubleshooting: what is read when an image meets the default policy's users and
places to write, by programs of Debian, and the one line that helps."""

import json
import time

from engines import run, status_in
from symptoms import USR, relaxed  # noqa: F401


def test_a_folder_of_the_image_can_not_be_written(relaxed):
    script = "touch /var/cache/page && echo written"
    relaxed.says("cannot touch '/var/cache/page': Read-only file system", script)
    assert relaxed.works(script, "--annotation", "io.runsafe.tmpfs=/var/cache") == "written"
    assert relaxed.works(script, "--tmpfs", "/var/cache") == "written"


def test_nginx_makes_its_folders(relaxed):
    script = "timeout 1 nginx -g 'daemon off;'; [ $? = 124 ]"
    relaxed.says('mkdir() "/var/lib/nginx/body" failed (30: Read-only file system)', script,
                 image="apps")
    relaxed.works(script, "--annotation", "io.runsafe.tmpfs=/var/lib/nginx,/var/log/nginx",
                  image="apps")


def test_an_entrypoint_edits_a_file_below_etc(relaxed):
    script = "sed -i s/www-data/app/ /etc/nginx/nginx.conf && head -n 1 /etc/nginx/nginx.conf"
    relaxed.says("couldn't open temporary file /etc/nginx/sed", script, image="apps")
    assert relaxed.works(script, "--annotation", "io.runsafe.tmpfs=/etc/nginx",
                         image="apps") == "user app;"


def test_a_volume_belongs_to_somebody_else(relaxed):
    """A new one is the workload's; one that has files of root's already is not."""
    script = "touch /data/file && echo written"
    assert relaxed.works(script, "-v", "symptoms-new:/data") == "written"
    volume = ("-v", "symptoms-old:/data")
    relaxed.run("touch /data/old", *volume, runtime="runsafe-oci")
    done = relaxed.says("cannot touch '/data/file': Permission denied", script, *volume)
    line = next(line for line in done.err.splitlines() if line.startswith("runsafe: "))
    assert "/data: the volume belongs to 0:0 (mode 0755), and this workload, 1000:1000" in line
    run("sh", "-c", line.rpartition("on the host: ")[2])
    assert relaxed.works(script, *volume) == "written"


def test_a_volume_belongs_to_the_images_own_user(relaxed):
    script = "redis-server --port 0 --unixsocket /tmp/s --dir /var/lib/redis --daemonize yes"
    volume = ("-v", "symptoms-redis:/var/lib/redis")
    relaxed.says('>>> \'dir "/var/lib/redis"\'\nPermission denied', script, *volume, image="apps")
    relaxed.works(script, *volume, "--user", "redis", image="apps")


def test_a_file_of_the_image_is_for_its_own_user(relaxed):
    script = "redis-server /etc/redis/redis.conf --port 0 --daemonize yes"
    relaxed.says("can't open config file '/etc/redis/redis.conf': Permission denied", script,
                 image="apps")
    relaxed.works(script, "--user", "redis", "--annotation", "io.runsafe.tmpfs=/var/log/redis",
                  image="apps")


def test_redis_can_not_save_and_does_not_end(relaxed):
    docker, name = relaxed.docker, "symptoms-redis"

    def stop_after(*options):
        docker("run", "-d", "--name", name, "--runtime", "runsafe", *options, docker.image("apps"),
               "redis-server", "--save", "60", "1", "--port", "0", "--unixsocket", "/tmp/s")
        docker("exec", name, "sh", "-c",
               "until redis-cli -s /tmp/s set a b 2>/dev/null | grep -q OK; do sleep 0.1; done")
        start = time.monotonic()
        docker("stop", "-t", "3", name)
        logs = docker("logs", name)
        code = docker.inspect(name, ".State.ExitCode")
        docker("rm", name)
        return time.monotonic() - start, logs.out + logs.err, code

    seconds, said, code = stop_after()
    assert "Failed opening the temp RDB file" in said and "Read-only file system" in said
    assert "Error trying to save the DB, can't exit" in said and seconds > 3 and code == 137
    _, said, code = stop_after("--tmpfs", "/data", "-w", "/data")
    assert "DB saved on disk" in said and code == 0


def test_a_folder_of_the_host_belongs_to_somebody(relaxed, folder):
    shared = folder / "shared"
    shared.mkdir()
    run("chown", "1234:1234", shared)
    script, bind = "touch /work/file && echo written", ("-v", f"{shared}:/work")
    relaxed.says("cannot touch '/work/file': Permission denied", script, *bind)
    assert relaxed.works(script, *bind, "--user", "1234:1234") == "written"
    assert (shared / "file").stat().st_uid == 1234


def test_an_image_for_openshift_writes_as_group_0(relaxed, folder):
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o775)
    script, options = "touch /work/file && id -g", ("-v", f"{shared}:/work", "--user", "1001")
    relaxed.says("cannot touch '/work/file': Permission denied", script, *options)
    assert relaxed.works(script, *options, runtime="root-group") == "0"


def test_the_working_directory_is_roots_home(relaxed):
    relaxed.says("cannot open directory '.': Permission denied", "ls", "-w", "/root")
    relaxed.works("ls", "-w", "/root", runtime="allow-root")
    relaxed.works("ls", "-w", "/tmp")


def test_home_is_another_than_the_one_that_was_set(relaxed):
    assert relaxed.works("echo $HOME", "-e", "HOME=/data") == "/tmp/home"
    assert relaxed.works("echo $HOME", "-e", "HOME=/data", "--user", "1000") == "/data"


def test_an_entrypoint_gives_files_away(relaxed):
    script = "chown -R www-data /data && stat -c %U /data"
    volume = ("-v", "symptoms-chown:/data")
    relaxed.says("changing ownership of '/data': Operation not permitted", script, *volume)
    assert relaxed.works(script, *volume, runtime="entrypoint") == "www-data"


def test_an_entrypoint_that_asks_who_it_is_needs_nothing(relaxed):
    """As official images have it: root gives files away and becomes somebody; others go on."""
    script = """set -e
        if [ "$(id -u)" = 0 ]; then
            chown -R redis /var/lib/redis
            exec setpriv --reuid redis --regid redis --clear-groups sh -c "$0"
        fi
        id -u && grep -q 'CapEff:.0*$' /proc/self/status"""
    redis = relaxed.works("id -u redis", image="apps")
    assert relaxed.works(script, image="apps") == "1000"
    assert relaxed.works(script, "--user", "redis", image="apps") == redis


def test_an_entrypoint_becomes_another_user(relaxed):
    switches = {"setpriv --reuid www-data --clear-groups": "setpriv: setresuid failed",
                "runuser -u www-data --": "runuser: may not be used by non-root users",
                "start-stop-daemon -S -c www-data -x": "unable to set gid to 33",
                "su -s /bin/sh www-data -c": "su: Authentication failure"}
    script = "; ".join(f"{command} /usr/bin/id" for command in switches)
    done = relaxed.run(script, check=False)
    assert all(words in done.err for words in switches.values()), done
    # Who becomes the user that it is already needs nothing.
    assert relaxed.works("setpriv --reuid 1000 --regid 1000 --init-groups id -u") == "1000"
    script = " && ".join(f"{command} /usr/bin/id" for command in switches)
    assert relaxed.works(script, runtime="entrypoint").count("uid=33(www-data)") == len(switches)
    assert "(www-data)" in relaxed.works("id", "--user", "www-data")


def test_a_server_lets_its_workers_be_another_user(relaxed):
    """The policy `entrypoint`: nginx's first process is root, gives folders to www-data, becomes it
    in its workers, and ends them, which takes CAP_KILL; they have no capability."""
    docker, name = relaxed.docker, "symptoms-workers"
    docker("run", "-d", "--name", name, "--runtime", "entrypoint", "--annotation",
           "io.runsafe.tmpfs=/var/lib/nginx,/var/log/nginx", docker.image("apps"), "nginx", "-g",
           "daemon off;")
    script = """until set -- $(grep -l '^Uid:.33' /proc/[0-9]*/status); [ $# != 0 ]; do
            sleep 0.1; done
        cat $1; stat -c %U /var/lib/nginx/body"""
    done = docker("exec", name, "sh", "-c", script).out
    status = status_in(done)
    assert status["Uid"].split() == ["33"] * 4 and int(status["CapEff"], 16) == 0
    assert int(status["CapPrm"], 16) == int(status["CapAmb"], 16) == 0
    assert done.endswith("www-data\n")
    docker("stop", name)
    assert docker.inspect(name, ".State.ExitCode") == 0


def test_packages_are_installed_when_the_image_is_built(relaxed):
    lists = ("-v", "/etc/apt:/etc/apt:ro", *USR)
    relaxed.says("are you root?", "apt-get install -y hello", *lists)
    relaxed.says("dpkg: error: requested operation requires superuser privilege",
                 "dpkg --configure -a")
    relaxed.works("dpkg --configure -a && apt-get clean", *lists, runtime="runsafe-oci")


def test_a_user_is_added_at_start(relaxed):
    relaxed.says("useradd: cannot lock /etc/passwd", "useradd worker", *USR)
    assert relaxed.works("whoami && echo ~", "--user", "4321") == "app\n/tmp/home"


def test_an_archive_restores_its_owners(relaxed):
    script = """cd /tmp && tar -cf a.tar --owner=www-data -C /etc hostname &&
        tar -xf a.tar %s && echo unpacked"""
    relaxed.says("Cannot change ownership to uid 33", script % "--same-owner")
    assert relaxed.works(script % "") == "unpacked"
    assert relaxed.works(script % "--same-owner", runtime="entrypoint") == "unpacked"


def test_a_program_in_tmp_or_run_can_not_be_executed(relaxed):
    script = "cp /usr/bin/id /tmp/own && cp /usr/bin/id /run/own && /tmp/own -u && /run/own -u"
    relaxed.says("/tmp/own: Permission denied", script)
    relaxed.says("/run/own: Permission denied", script, "--tmpfs", "/tmp:exec")
    assert relaxed.works(script, "--tmpfs", "/tmp:exec", "--tmpfs", "/run:exec") == "1000\n1000"


def test_a_library_in_tmp_can_not_be_loaded(relaxed):
    """Java, Node and Python unpack native code there."""
    script = """cp /usr/lib/x86_64-linux-gnu/libz.so.1 /tmp
        LD_PRELOAD=/tmp/libz.so.1 /usr/bin/id 2>/tmp/said && cat /tmp/said &&
        ! grep -q . /tmp/said"""
    relaxed.says("failed to map segment from shared object", script)
    relaxed.works(script, "--tmpfs", "/tmp:exec")


def test_a_program_in_memory_can_not_be_executed(relaxed):
    """memfd_create(2), 319 on x86-64."""
    program = ('$n = "own\\0"; $fd = syscall(319, $n, 0); open(F, ">&=", $fd); '
               'open(I, "<", "/usr/bin/id"); local $/; print F <I>; F->flush; '
               'exec("/proc/$$/fd/$fd", "-u") or die "memfd: $!\\n"')
    script = f"perl -MIO::Handle -e '{program}'"
    relaxed.says("memfd: Permission denied", script)
    assert relaxed.works(script, runtime="allow-memfd") == "1000"


def test_a_copied_file_is_not_in_the_tmpfs(relaxed, folder):
    docker, name = relaxed.docker, "symptoms-cp"
    (folder / "file").write_text("hi")
    docker("run", "-d", "--name", name, "--runtime", "runsafe", docker.image("debian"), "sleep",
           "60")
    docker("cp", folder / "file", f"{name}:/tmp/file")
    assert "No such file" in docker("exec", name, "cat", "/tmp/file", check=False).err
    docker("exec", "-i", name, "sh", "-c", "cat >/tmp/file", input="hi")
    assert docker("exec", name, "cat", "/tmp/file").out == "hi"


def test_an_annotation_is_not_accepted(relaxed):
    option = ("--annotation", "io.runsafe.rootfs-writable=true")
    relaxed.says('policy.json would accept it with "rootfs-writable" under "annotations"', "true",
                 *option)
    assert " rw," in relaxed.works("grep ' / ' /proc/mounts", *option, runtime="annotated")


def test_strict_wants_a_user(relaxed):
    relaxed.says("name one in the image or with the engine's --user (policy strict)", "true",
                 runtime="runsafe-strict")


def test_the_label_of_an_image_relaxes_nothing(relaxed):
    docker = relaxed.docker
    docker("create", "--name", "symptoms-label", docker.image("debian"))
    docker("commit", "--change", "LABEL io.runsafe.root=true", "symptoms-label", "labelled")
    done = docker("run", "--rm", "--runtime", "runsafe", "labelled", "id", "-u")
    docker("rmi", "-f", "labelled")
    assert done.text == "1000"


def test_check_shows_what_was_changed(relaxed):
    """docs/docker.md gives the command; Docker keeps all runtimes' states in one folder."""
    docker = relaxed.docker
    docker("run", "-d", "--name", "symptoms-check", "--runtime", "runsafe", docker.image("debian"),
           "sleep", "60")
    number = docker.inspect("symptoms-check", ".Id")
    root = docker.exec_root / "runtime-runc/moby"
    said = run("runsafe", "--root", root, "check", number, check=1).out
    assert "process.user: uid 0 (root): made 1000:1000 (policy default)" in said
    assert json.loads(run("runsafe", "--root", root, "state", number).out)["status"] == "running"
