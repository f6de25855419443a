# SPDX-License-Identifier: MIT
"""A line between a node and its database that can be cut at the worst moment: before a COMMIT gets
through, or after it did and before anybody hears of it."""

import os
import select
import socket
import tempfile
import threading

# The end of a Bind message for the prepared statement SQL_COMMIT, and the portal in front of it.
COMMIT = b"\0s3\0"


class Proxy:
    def __init__(self, target):
        self.target = target  # the folder of the server's socket
        self.folder = tempfile.mkdtemp(prefix="florin-proxy-")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(self.folder, ".s.PGSQL.5432"))
        self.listener.listen(50)
        self.wanted = None  # "before", "after", or None
        self.cut = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def cut_at_commit(self, moment):
        """Waits until a COMMIT came along and its line was cut; False when none came."""
        self.cut.clear()
        self.wanted = moment
        return self.cut.wait(10)

    def accept(self):
        while True:
            client, _ = self.listener.accept()
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
                    is_commit = COMMIT in tail + data
                    tail = data[-len(COMMIT) + 1:]
                    if is_commit and self.wanted is not None:
                        self.lose(server, data)
                        return
                    server.sendall(data)
        except OSError:
            pass
        finally:
            client.close()
            server.close()

    def lose(self, server, data):
        moment, self.wanted = self.wanted, None
        if moment == "after":
            server.sendall(data)
            server.recv(65536)  # the server has begun to answer; the rest comes through by itself
            server.settimeout(0.2)
            try:
                while server.recv(65536):
                    pass
            except TimeoutError:
                pass  # it has nothing more to say: committed
        self.cut.set()
