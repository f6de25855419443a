# SPDX-License-Identifier: MIT
"""Ports for servers of the tests, which nobody else takes while the test runs: not even when its
server is down for a moment."""

import fcntl
import os
import random
import socket
import tempfile
import threading

_ports = set()  # that this process was given
_port_locks = []  # the file whose bytes are locked for them
_one_at_a_time = threading.Lock()


def _first_outgoing_port():
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            return int(file.read().split()[0])
    except (OSError, ValueError):
        return 32768


def _is_free(port):
    """Whether nobody listens there, and no other suite was given it; then it is ours until this
    process ends."""
    if not _port_locks:
        path = os.path.join(tempfile.gettempdir(), f"florin-test-ports-{os.geteuid()}")
        _port_locks.append(open(path, "ab"))
    try:
        fcntl.lockf(_port_locks[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def free_port():
    """Not one of those that the system gives to outgoing connections: of these another suite's
    client may have it whenever a server is started, or started again."""
    first, last = 10_000, _first_outgoing_port() - 1
    if last - first < 5_000:
        first, last = 61_000, 65_535
    pick = random.Random(os.urandom(8))  # suites' own seeds stay theirs
    for _ in range(10_000):
        port = pick.randint(first, last)
        with _one_at_a_time:
            if port not in _ports and _is_free(port):
                _ports.add(port)
                return port
    raise OSError("there is no free port")
