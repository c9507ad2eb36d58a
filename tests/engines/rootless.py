"""Podman of ordinary users: who they are, and what a log-in would have made for them."""

import os
import pathlib

import engines
import podman as podman_module
from engines import run


def add_user(name, uid, ranges=True):
    """An ordinary user with 65536 subordinate ids, or without any, and his XDG_RUNTIME_DIR."""
    run("useradd", "-m", "-u", uid, "-s", "/bin/sh", name)
    for file in ("/etc/subuid", "/etc/subgid"):
        lines = [line for line in pathlib.Path(file).read_text().splitlines()
                 if not line.startswith(name + ":")]
        if ranges:
            lines.append(f"{name}:{uid * 100}:65536")
        pathlib.Path(file).write_text("".join(line + "\n" for line in lines))
    if engines.GROUND != "systemd":
        runtime = pathlib.Path(f"/run/user/{uid}")
        runtime.mkdir(parents=True, mode=0o700)
        os.chown(runtime, uid, uid)


def make(name, uid, ranges=True, **settings):
    """His Podman; he is made."""
    add_user(name, uid, ranges)
    one = podman_module.make(user=name, **settings)
    one.home = pathlib.Path(f"/home/{name}")
    return one
