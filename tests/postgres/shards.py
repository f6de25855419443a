# SPDX-License-Identifier: MIT
"""Books on several PostgreSQL servers for the tests: one cluster for each shard."""

import json
import os
import subprocess

import cluster
import florin

NAMES = "abcdefgh"


def slot_of(identifier):
    """The slot that an id carries."""
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    number = 0
    for letter in identifier.split("_")[1]:
        number = number * 32 + alphabet.index(letter)
    raw = number.to_bytes(16, "big")
    return (raw[6] & 15) << 6 | raw[7] >> 2


class Shards:
    """Clusters, and the databases that a data folder's books lie in on each of them."""
    def __init__(self, count=2):
        self.clusters = [cluster.Cluster() for _ in range(count)]
        for one in self.clusters:
            one.setting("max_prepared_transactions", "64")
            one.crash()

        self.replicas = {}  # place -> the clusters that its replicas are
        self.books = {}  # data folder of a further node -> that of whose books it serves
        self.lines = {}  # data folder -> the folders of sockets in front of the clusters

    def setting(self, data):
        key = self.books.get(data, data)
        lines = self.lines.get(data, [one.line for one in self.clusters])
        hosts = [",".join([lines[i]] + [other.socket for other in one.beside])
                 for i, one in enumerate(self.clusters)]
        found = [{"name": NAMES[i],
                  "url": one.url(one.database_for(key)).replace(one.socket, hosts[i])}
                 for i, one in enumerate(self.clusters)]
        for place, standbys in self.replicas.items():
            name = self.clusters[place].database_for(key)
            found[place]["replicas"] = [one.url(name) for one in standbys]
        return found

    def sql(self, place, text, key):
        one = self.clusters[place]
        return one.sql(f"SET search_path = florin; {text}", one.database_for(key))

    def prepare(self, binary, key, folder):
        """What a first start does; returns what it says."""
        path = os.path.join(folder, "shards.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"shards": self.setting(key)}, file)
        return subprocess.run([binary, "shards", "prepare", "--config", path],
                              capture_output=True, text=True, check=False)

    def give(self, key, slots, source, target):
        """Changes who owns slots that nothing lies in yet: first one lets go, then one takes."""
        bump = "UPDATE books SET slots_version = slots_version + 1"
        self.sql(source, f"BEGIN; UPDATE slots SET state = 1, epoch = epoch + 1, "
                         f"shard = '{NAMES[target]}' WHERE state = 0 AND {slots}; {bump}; COMMIT",
                 key)
        self.sql(target, f"BEGIN; UPDATE slots SET state = 0, epoch = epoch + 1, shard = NULL "
                         f"WHERE {slots}; {bump}; COMMIT", key)


def serve_from(shards, arrange=None):
    """From now on servers of tests/lib/florin.py keep their books on these shards. `arrange` is
    called with the key of the books before they are served for the first time."""
    usual = getattr(florin.Server, "usual_command", florin.Server.command)
    prepared = set()

    def command(server):
        kept = server.config
        try:
            given = json.loads(kept) if isinstance(kept, str) else dict(kept or {})
            server.config = {**given, "shards": shards.setting(server.data)}
        except ValueError:
            pass  # it is to be refused
        try:
            words = usual(server)
        finally:
            server.config = kept
        if arrange is not None and server.data not in prepared:
            prepared.add(server.data)
            said = shards.prepare(server.florin, server.data, server.home)
            assert said.returncode == 0, said.stderr
            arrange(server.data)
        return words

    def verify(server):
        for one in shards.clusters:
            said = server.command_line("verify", "--postgres",
                                       one.url(one.database_for(server.data)))
            if said.returncode != 0:
                break
        return said

    florin.Server.usual_command = usual
    florin.Server.command = command
    florin.Server.verify = verify
