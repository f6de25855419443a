# SPDX-License-Identifier: MIT
"""A network that swallows packets. The server of a cluster has a network of its own (a network
namespace of Linux), and between that and this one stands a router that is one, too. The router
forwards, or it throws away all that passes, in both directions and without a word: no reset, no
end, nothing acknowledged."""

import atexit
import ctypes
import os
import random
import shutil
import socket
import subprocess
import threading

from proxy import Proxy

CLONE_NEWNET = 0x40000000
PORT = 5433  # of what stands in front of the server


def run(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stdout}{done.stderr}")


def reason():
    """Why there is none here; None: there is."""
    if shutil.which("ip") is None:
        return "there is no program ip (iproute2)"
    if os.geteuid() != 0:
        return "networks of one's own are root's to make"
    name = f"florin-probe-{os.getpid()}"
    try:
        run("netns", "add", name)
        run("-n", name, "link", "add", "probe", "type", "veth", "peer", "name", "eborp")
        run("netns", "del", name)
    except RuntimeError as error:
        return str(error)
    return None


class Hole:
    def __init__(self):
        mark = f"{os.getpid() % 100000}"
        self.router, self.far = f"florin-router-{mark}", f"florin-server-{mark}"
        net = f"10.{random.randint(64, 250)}.{random.randint(0, 250)}"
        self.here, self.host = f"{net}.1", f"{net}.6"
        near, back = f"{net}.2", f"{net}.5"
        atexit.register(self.discard)
        for name in (self.router, self.far):
            run("netns", "add", name)
        self.ends = [f"fl{mark}{letter}" for letter in "abcd"]
        a, b, c, d = self.ends
        run("link", "add", a, "type", "veth", "peer", "name", b, "netns", self.router)
        run("-n", self.router, "link", "add", c, "type", "veth", "peer", "name", d, "netns",
            self.far)
        run("addr", "add", f"{self.here}/30", "dev", a)
        run("link", "set", a, "up")
        run("route", "add", f"{net}.4/30", "via", near)
        for name, device, address in ((self.router, b, near), (self.router, c, back),
                                      (self.far, d, self.host)):
            run("-n", name, "addr", "add", f"{address}/30", "dev", device)
            run("-n", name, "link", "set", device, "up")
        run("-n", self.far, "route", "add", "default", "via", back)
        run("netns", "exec", self.router, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")

    def swallow(self):
        for address in (self.here, self.host):
            run("-n", self.router, "route", "replace", "blackhole", f"{address}/32")

    def forward(self):
        for address in (self.here, self.host):
            subprocess.run(["ip", "-n", self.router, "route", "del", "blackhole",
                            f"{address}/32"], capture_output=True, check=False)

    def listen_there(self):
        """A listener in the server's network; sockets stay where they were made."""
        made = []

        def make():  # in a thread of its own, which changes nobody else's network
            with open(f"/run/netns/{self.far}", encoding="utf-8") as there:
                if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            listener = socket.socket()
            listener.bind((self.host, PORT))
            listener.listen(50)
            made.append(listener)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        return made[0]

    def take(self, cluster):
        """From here on that cluster's server is there, and nodes reach it by TCP."""
        cluster.stop()
        cluster.configure("listen_addresses = '*'\n")
        with open(os.path.join(cluster.data, "pg_hba.conf"), "a", encoding="utf-8") as file:
            file.write("host all all 0.0.0.0/0 trust\n")
        usual, user = cluster.launch, cluster.user

        def launch():
            cluster.user = ["ip", "netns", "exec", self.far, *user]
            usual()
            cluster.user = user

        cluster.launch = launch
        cluster.line = self.host
        cluster.front = Front(self, cluster.socket)  # for nodes that are to meet traps
        cluster.start()

    def discard(self):
        for name in (self.router, self.far):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


class Front(Proxy):
    """Beside the server, behind the hole: what comes by TCP goes to the server's socket."""
    def __init__(self, network, target):
        self.network = network
        super().__init__(target)
        os.rmdir(self.folder)
        self.folder = f"{network.host} port={PORT}"

    def listen(self):
        return self.network.listen_there()
