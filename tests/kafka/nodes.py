# SPDX-License-Identifier: MIT
"""Several nodes with the same books, in one database of a real PostgreSQL."""

import florin
import shop as shops


class Node(florin.Server):
    """`florin serve`, or `florin work`, with its books in the database of that name."""
    def __init__(self, binary, config, postgres, database, word="serve"):
        super().__init__(binary, config=config)
        self.postgres, self.database, self.word = postgres, database, word

    def command(self):
        words = super().command()
        words[words.index("serve")] = self.word
        return words + ["--postgres", self.postgres.url(self.database)]


class House:
    """A shop whose first node is its server, and more nodes of the same books."""
    def __init__(self, kafka, postgres, binary, name, **more):
        self.kafka, self.postgres, self.binary = kafka, postgres, binary
        self.settings = {"commands_topic": f"commands.{name}", "events_topic": f"events.{name}",
                         "dead_letter_topic": f"dead.{name}", "group": name, "events": False,
                         "request_deadline_ms": 20000}
        self.settings.update(more)
        self.database = postgres.database_for(name)
        self.nodes = []
        self.shop = shops.Shop(kafka, binary, server=self.node())
        self.shop.topic = self.settings["commands_topic"]
        self.secret = self.shop.secret

    def node(self, word="serve", **more):
        """One more, not started yet."""
        config = shops.config(self.kafka, **{**self.settings, **more})
        node = Node(self.binary, config, self.postgres, self.database, word)
        self.nodes.append(node)
        return node

    def metric(self, node, name, default=-1):
        return self.shop.metric_or(name, default, node)

    def has(self, node, partitions):
        return lambda: self.metric(node, "worker_partitions") == partitions

    def operator(self, *words, stdin=None):
        """`florin queue WORDS`, beside the nodes that run."""
        self.shop.server.command()  # writes the configuration
        return self.shop.server.command_line(
            "queue", *words, "--postgres", self.postgres.url(self.database), "--config",
            f"{self.shop.server.home}/config.json", stdin=stdin)

    def sql(self, text):
        return self.postgres.sql(text, self.database)

    def stop(self):
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.kill()


