# SPDX-License-Identifier: MIT
"""A line between clients and a broker that can be cut, fall silent, or be slow."""

import select
import socket
import threading
import time


class Line:
    """Listens on the port that the broker advertises, and carries bytes to where it really is."""
    def __init__(self, port, target):
        self.target = target
        self.pairs = set()
        self.lock = threading.Lock()
        self.open = threading.Event()  # cleared: nobody gets through
        self.open.set()
        self.silent = threading.Event()  # set: bytes stay where they are
        self.deaf = threading.Event()  # set: what the broker says is lost
        self.delay = 0.0  # seconds, of each piece
        self.swallowed = set()  # requests that nobody gets through, by their number (api_key)
        self.unheard = set()  # and by any of these bytes in them
        self.listener = socket.create_server(("127.0.0.1", port), backlog=50)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.carry, args=(client, ), daemon=True).start()

    def carry(self, client):
        if not self.open.is_set():
            client.close()
            return
        try:
            server = socket.create_connection(("127.0.0.1", self.target), 5)
        except OSError:
            client.close()
            return
        pair = (client, server)
        with self.lock:
            self.pairs.add(pair)
        try:
            self.shuttle(client, server)
        except OSError:
            pass
        with self.lock:
            self.pairs.discard(pair)
        client.close()
        server.close()

    def pass_on(self, pieces):
        """The requests in these bytes that get through, and the bytes behind the last whole one."""
        passed = b""
        while len(pieces) >= 6:
            size = 4 + int.from_bytes(pieces[:4], "big")
            if len(pieces) < size:
                break
            if int.from_bytes(pieces[4:6], "big") not in self.swallowed and not any(
                    word in pieces[:size] for word in self.unheard):
                passed += pieces[:size]
            pieces = pieces[size:]
        return passed, pieces

    def shuttle(self, client, server):
        others = {client: server, server: client}
        begun = b""  # a request
        while True:
            for ready in select.select([client, server], [], [], 0.5)[0]:
                while self.silent.is_set():
                    time.sleep(0.02)
                piece = ready.recv(65536)
                if not piece:
                    return
                if self.delay:
                    time.sleep(self.delay)
                if ready is server and self.deaf.is_set():
                    continue
                if ready is client:
                    piece, begun = self.pass_on(begun + piece)
                others[ready].sendall(piece)

    def cut(self):
        """Every connection that there is, in the middle of whatever it carries."""
        with self.lock:
            for pair in self.pairs:
                for end in pair:
                    try:
                        end.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
