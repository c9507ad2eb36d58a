"""Docker Swarm: daemons in network namespaces of their own, joined by a bridge."""

import json
import pathlib

import docker
import engines
from engines import run

NETWORK = "10.99.7"


def wait_for(what, condition, seconds=60):
    """What takes a second takes many where others are at work."""
    return engines.wait_for(what, condition, seconds)


class Node(docker.Docker):
    """A daemon that could be another machine: another name, another address, another disk."""

    def __init__(self, folder, number, settings):
        self.name, self.address = f"node{number}", f"{NETWORK}.{number + 1}"
        path = pathlib.Path(folder) / self.name
        path.mkdir()
        add_network(self.name, self.address)
        # A name server that refuses at once what Docker itself does not know.
        super().__init__(path, {"dns": [self.address], **settings}, prefix=inside(self.name))

    def start(self, *images):
        super().start()
        for image in images:
            self.image(image)
        return self

    def stop(self):
        super().stop()
        run("ip", "link", "delete", f"{self.name}-0")
        run("ip", "netns", "delete", self.name)

    @property
    def alive(self):
        return self.daemon.process.poll() is None

    def get(self, port):
        """What an HTTP server at a port of this node says to another machine, None if nothing."""
        done = run("curl", "-s", "-m", "5", f"http://{self.address}:{port}/", check=False)
        return done.text if done.status == 0 else None


def inside(name):
    """Words before a command for that machine. `ip netns exec` would hide /sys/fs/cgroup."""
    return ("nsenter", f"--net=/run/netns/{name}", "unshare", "--uts", "sh", "-c",
            f'hostname {name} && exec "$@"', "sh")


def add_network(name, address):
    """A network namespace, its eth0 on the bridge that all share. No way leads out, so that dockerd
    finds out at once that there is no registry."""
    if run("ip", "link", "show", "swarm0", check=False).status:
        run("ip", "link", "add", "swarm0", "type", "bridge")
        run("ip", "address", "add", f"{NETWORK}.1/24", "dev", "swarm0")
        run("ip", "link", "set", "swarm0", "up")
    run("ip", "netns", "add", name)
    run("ip", "link", "add", f"{name}-0", "type", "veth", "peer", "eth0", "netns", name)
    run("ip", "link", "set", f"{name}-0", "master", "swarm0", "up")
    for words in (["address", "add", f"{address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"],
                  ["link", "set", "lo", "up"]):
        run("ip", "-n", name, *words)
    run(*inside(name), "sysctl", "-q", "net.ipv4.ip_forward=1")


class Swarm:
    """One node, its manager, and those that join; swarm("service", "ls") asks the manager."""

    def __init__(self, folder, settings, *images):
        self.folder, self.images = folder, images
        self.nodes = [Node(folder, 1, settings)]
        self.nodes[0].start(*images)
        # A node that says nothing for three heartbeats is down.
        self("swarm", "init", "--advertise-addr", self.nodes[0].address,
             "--dispatcher-heartbeat", "1s")

    def join(self, settings):
        node = Node(self.folder, len(self.nodes) + 1, settings)
        self.nodes.append(node)
        node.start(*self.images)
        node("swarm", "join", "--token", self("swarm", "join-token", "-q", "worker").text,
             f"{self.nodes[0].address}:2377")
        wait_for("the node is ready", lambda: self.node_status(node.name) == "ready")
        return node

    def stop(self):
        for node in self.nodes:
            node.stop()

    def __call__(self, *words, **options):
        return self.nodes[0](*words, **options)

    def json(self, *words):
        """A table of Docker's, line by line."""
        return [json.loads(line) for line in
                self(*words, "--format", "{{json .}}").out.splitlines()]

    def node_status(self, name):
        return self("node", "inspect", "--format", "{{.Status.State}}", name).text

    def tasks(self, service, state="running"):
        """A service's tasks in that state, as dictionaries: ID, Name, Node, CurrentState, Error. A
        node that went away still says that its tasks run: only those count that shall run."""
        return [task for task in self.json("service", "ps", "--no-trunc", service)
                if task["CurrentState"].lower().startswith(state)
                and (state != "running" or task["DesiredState"] == "Running")]

    def settled(self, service, count):
        """Waits until so many tasks of a service run, and returns them."""
        try:
            return wait_for(f"{count} tasks of {service} run",
                            lambda: len(tasks := self.tasks(service)) == count and tasks)
        except AssertionError as why:
            raise AssertionError(f"{why}\n{self('service', 'ps', '--no-trunc', service)}") from None

    def service(self, name, image, *command, options=(), count=1):
        """Creates a service and waits until so many of it run. KILL: who is process 1 passes TERM
        over, and Docker would wait."""
        self("service", "create", "--detach", "--no-resolve-image", "--name", name, "--replicas",
             count, "--stop-signal", "KILL", "--endpoint-mode", "dnsrr", *options, image, *command)
        return self.settled(name, count) if count else []

    def update(self, name, *options):
        """Changes a service and waits for what that came to: completed, rollback_completed ..."""
        self("service", "update", "--detach", "--no-resolve-image", *options, name)

        def state():
            text = self("service", "inspect", "--format", "{{json .UpdateStatus}}", name).text
            status = json.loads(text) or {}
            return status.get("State") if status.get("State", "updating") not in (
                "updating", "rollback_started") else None

        return wait_for(f"the update of {name} is over", state)

    def containers(self, service):
        """(node, id) of each container of a service that runs."""
        label = "label=com.docker.swarm.service.id=" + \
            self("service", "inspect", "--format", "{{.ID}}", service).text
        return [(node, one) for node in self.nodes if node.alive
                for one in node("ps", "-q", "--no-trunc", "--filter", label).text.split()]

    def exec(self, service, *command, **options):
        """Runs a command in one of a service's containers."""
        node, container = self.containers(service)[0]
        return node("exec", container, *command, **options)

    def said(self, service, *words):
        """The lines of a service's log, without who said them, once these words are among them."""
        def lines():
            done = self("service", "logs", "--raw", service, check=False)
            text = done.out + done.err
            return all(word in text for word in words) and text.splitlines()
        return wait_for(f"{service} says {words}", lines)

    def clean(self):
        """Takes all services away; their containers follow in a few seconds."""
        services = self("service", "ls", "-q").text.split()
        if services:
            self("service", "rm", *services)

    def end(self):
        """Nothing may be left when all services are gone."""
        self.clean()
        for node in self.nodes:
            wait_for(f"{node.name} has no containers", lambda: not node("ps", "-aq").text)
            wait_for("no state of a container is left", lambda: not node.states())
