# SPDX-License-Identifier: MIT
"""One of the workers' group that shares partitions out, and leaves them all to nobody at first,
as one does that has not heard of a topic that was just made."""

import struct
import threading


class Owner:
    """What a member says of itself in version 1, which has the partitions it owns: none. Of one
    that says nothing of them librdkafka 2.0.2, when it leads, reads the list all the same."""
    def __init__(self, topics):
        self.topics = [topic.encode() for topic in topics]

    def encode(self):
        named = b"".join(struct.pack(">h", len(topic)) + topic for topic in self.topics)
        return struct.pack(">hi", 1, len(self.topics)) + named + struct.pack(">ii", 0, 0)


class Leader:
    """Leads the group that it is the first to join, until `close`."""
    name = "cooperative-sticky"

    def __init__(self, cluster, topic, group, partitions):
        from kafka import KafkaConsumer
        self.topic, self.partitions = topic, partitions
        self.first, self.others = None, set()
        self.consumer = KafkaConsumer(topic, bootstrap_servers=cluster.line, group_id=group,
                                      enable_auto_commit=False,
                                      partition_assignment_strategy=[self])
        self.leads, self.stop = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop.is_set():
            self.consumer.poll(timeout_ms=50)
        self.consumer.close()

    def close(self):
        self.stop.set()
        self.thread.join()

    # ---- what kafka-python asks of one that shares out ----

    def metadata(self, topics):
        return Owner(topics)

    def on_assignment(self, _):
        self.leads.set()

    def assign(self, _, members):
        from kafka.coordinator.protocol import ConsumerProtocolMemberAssignment
        self.first = self.first or next(iter(members))
        others = sorted(set(members) - {self.first})
        self.others |= set(others)
        given = {member: [] for member in members}
        if others and len(self.others) > 1:  # the other one has come again, as somebody new
            given[others[0]] = [(self.topic, list(range(self.partitions)))]
        return {member: ConsumerProtocolMemberAssignment(0, parts, b"")
                for member, parts in given.items()}
