# SPDX-License-Identifier: MIT
"""A line between a node and its database with a trap in it: at a statement of choice it is cut or
falls silent, before the statement gets through, or after it did and before anybody hears of it; or
the statement waits for a while."""

import os
import re
import select
import shutil
import socket
import tempfile
import threading

SQL_H = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                     "../../src/engine/postgres/link/sql.h")


def statements():
    """Names of the engine's statements, in the order of their numbers; those that go to each
    partition stand there four times."""
    with open(SQL_H, encoding="utf-8") as file:
        found = re.findall(r"^    SQL_(?:(\w+)|OF_PARTS\(SQL_(\w+)\)),", file.read(), re.MULTILINE)
    return [name for one, each in found for name in ([one] if one else [each] * 4)]


def bind_of(statement):
    """The end of a Bind message for a prepared statement, the portal without a name and the name:
    one, or one for each partition."""
    numbers = [number for number, name in enumerate(statements()) if name == statement]
    if not numbers:
        raise ValueError(f"there is no statement {statement}")
    return re.compile(b"|".join(b"\0s%d\0" % number for number in numbers))


def commit_of_round():
    """The COMMIT of a round that has written: nodes also end transactions in which they only look,
    several a second."""
    return re.compile(b"(?:%s).*?(%s)" % (bind_of("CHANGE_BOOKS").pattern,
                                          bind_of("COMMIT").pattern), re.DOTALL)


def place_of(pattern, data):
    """Where it begins in the data, or -1. Patterns are bytes, or what `bind_of` gives, or one with
    a group, which is meant then."""
    if isinstance(pattern, bytes):
        return data.find(pattern)
    found = pattern.search(data)
    return -1 if found is None else found.start(pattern.groups)


class Proxy:
    def __init__(self, target):
        self.target = target  # the folder of the server's socket
        self.folder = tempfile.mkdtemp(prefix="florin-proxy-")
        os.chmod(self.folder, 0o755)
        self.listener = self.listen()
        self.trap = None  # pattern, moment, action
        self.forged = None  # what nodes send, and what gets through instead, of the same length
        self.watcher = None  # is given each message before it goes on, and a function by which it
        # does and is answered, unheard; says whether the line is to be cut then
        self.behind = b""  # what nodes sent behind that with which the trap has sprung "after"
        self.sprung = threading.Event()
        self.over = threading.Event()  # silent lines may be closed
        threading.Thread(target=self.accept, daemon=True).start()

    def listen(self):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(os.path.join(self.folder, ".s.PGSQL.5432"))
        listener.listen(50)
        return listener

    def set_trap(self, statement, moment, action=None):
        """moment: "before" or "after" to cut there, "sent" to let it through and cut at once, of
        which the server hears nothing until it is over, "silent" to say nothing any more from then
        on, "half" the same, with the statement begun and its flight not ended.
        The action runs when it springs, before the line is closed. With "held" the statement gets
        through behind the action, and the line stays. COMMIT is that of a round that has written.
        """
        self.sprung.clear()
        self.over.clear()
        self.behind = b""
        self.trap = (commit_of_round() if statement == "COMMIT" else bind_of(statement), moment,
                     action)

    def wait(self, seconds=10):
        """Whether the trap has sprung."""
        if self.sprung.wait(seconds):
            return True
        self.trap = None
        return False

    def cut_at_commit(self, moment):
        """Waits until a COMMIT came along and its line was cut; False when none came."""
        self.set_trap("COMMIT", moment)
        return self.wait()

    def close(self):
        self.over.set()
        self.listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.carry, args=(client, ), daemon=True).start()

    def carry(self, client):
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(os.path.join(self.target, ".s.PGSQL.5432"))
            tail = b""
            while True:
                ready = select.select([client, server], [], [])[0]
                if server in ready:
                    data = server.recv(65536)
                    if not data:
                        return
                    client.sendall(data)
                if client in ready:
                    data = client.recv(65536)
                    if not data:
                        return
                    if self.forged is not None:
                        data = data.replace(*self.forged)
                    if self.watcher is not None and self.watcher(
                            data, lambda d=data: self.get_through(client, server, d)):
                        return
                    trap = self.trap
                    place = place_of(trap[0], tail + data) if trap is not None else -1
                    if place >= 0:
                        self.trap = None
                        if trap[1] != "held":
                            self.spring(client, server, data, place - len(tail), *trap[1:])
                            return
                        trap[2]()
                    tail = data[-16:]
                    server.sendall(data)
        except OSError:
            pass
        finally:
            client.close()
            server.close()

    def get_through(self, client, server, data):
        server.sendall(data)
        self.carry_on(client, server)

    def carry_on(self, client, server):
        """Until the server has answered and has nothing more to say: committed. The end of the
        flight may still be on its way; the answers go nowhere."""
        has_answered = False
        while True:
            ready = select.select([client, server], [], [], 0.2 if has_answered else 30)[0]
            if not ready:
                return
            if server in ready:
                has_answered = True
                if not server.recv(65536):
                    return
            if client in ready:
                data = client.recv(65536)
                if not data:
                    return
                self.behind += data
                server.sendall(data)

    def spring(self, client, server, data, at, moment, action):
        if moment == "before" and at > 5:
            server.sendall(data[:at - 5])  # without the head of its message
        elif moment == "half":
            server.sendall(data[:at + 8])
        elif moment == "sent":
            server.sendall(data)
        elif moment == "after":
            server.sendall(data)
            self.carry_on(client, server)
        if action is not None:
            action()
        self.sprung.set()
        if moment == "sent":
            client.close()
        if moment in ("sent", "silent", "half"):
            self.over.wait(60)
