# SPDX-License-Identifier: MIT
"""Real Kafka brokers for the tests: one, or a cluster of three, in KRaft mode, on loopback and
free ports, in a temporary folder, gone when the test ends. Where they cannot be had, the suite says
`skipped` with the reason."""

import atexit
import base64
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

from ports import free_port

HERE = os.path.dirname(os.path.abspath(__file__))
JAVA = ["-Xmx256m", "-Xms96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]

PROPERTIES = """
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners={name}://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={name}://127.0.0.1:{advertised}
listener.security.protocol.map={name}:{security},CONTROLLER:PLAINTEXT
inter.broker.listener.name={name}
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions=1
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor={replicas}
transaction.state.log.replication.factor={replicas}
group.initial.rebalance.delay.ms=0
initial.broker.registration.timeout.ms=180000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=1000
controller.quorum.fetch.timeout.ms=2000
replica.lag.time.max.ms=3000
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.enable=false
log.retention.check.interval.ms=1000
log.segment.delete.delay.ms=1000
log.initial.task.delay.ms=1000
group.min.session.timeout.ms=1000
{more}
"""


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


def skip(reason):
    print(f"skipped: {reason}")
    print("0 passed, 0 failed, 1 skipped")
    sys.stdout.flush()
    sys.exit(0)


def jars():
    """The folder of the broker's jars, or the end of the suite."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            skip(f"{tool} is not installed, so there is no Kafka broker")
    found = subprocess.run([os.path.join(HERE, "fetch.sh")], capture_output=True, text=True)
    if found.returncode != 0:
        skip("the Kafka broker cannot be had: " + found.stderr.strip())
    return found.stdout.strip()


def need_client():
    """The client is Debian's; another python than Debian's looks elsewhere for it."""
    sys.path.append("/usr/lib/python3/dist-packages")
    try:
        import kafka  # noqa: F401
    except ImportError:
        if sys.executable != "/usr/bin/python3" and os.path.exists("/usr/bin/python3"):
            os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
        skip("python3-kafka is not installed")


class Broker:
    """One broker of a cluster, through any number of kills and starts."""
    def __init__(self, cluster, node):
        self.cluster, self.node = cluster, node
        self.port, self.controller = free_port(), free_port()
        self.advertised = self.port
        self.home = os.path.join(cluster.home, f"broker{node}")
        self.data = os.path.join(self.home, "data")
        self.log = os.path.join(self.home, "log")
        self.process = None
        self.ports = {"CONTROLLER": self.controller, "CLIENTS": self.port}
        os.makedirs(self.home)

    def prepare(self):
        cluster = self.cluster
        voters = ",".join(f"{b.node}@127.0.0.1:{b.controller}" for b in cluster.brokers)
        with open(os.path.join(self.home, "properties"), "w", encoding="utf-8") as file:
            file.write(PROPERTIES.format(
                node=self.node, voters=voters, port=self.port, controller=self.controller,
                advertised=self.advertised, data=self.data, name=cluster.listener,
                security=cluster.security, replicas=min(3, len(cluster.brokers)),
                more=self.more()))
        os.makedirs(self.data, exist_ok=True)
        # What kafka-storage format writes; starting a JVM for it takes seconds.
        with open(os.path.join(self.data, "meta.properties"), "w", encoding="utf-8") as file:
            directory = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            file.write(f"version=1\ncluster.id={cluster.id}\nnode.id={self.node}\n"
                       f"directory.id={directory}\n")

    def more(self):
        """What the test adds; @NAME@ stands for a free port, always the same one for a name."""
        text = self.cluster.more
        for name in re.findall(r"@(\w+)@", text):
            text = text.replace(f"@{name}@", str(self.ports.setdefault(name, free_port())))
        return text

    def launch(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["java", *JAVA, *self.cluster.java, "-cp", self.cluster.jars + "/*", "kafka.Kafka",
                 os.path.join(self.home, "properties")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home,
                preexec_fn=_die_with_parent)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self, stopped=True):
        self.process.send_signal(signal.SIGSTOP if stopped else signal.SIGCONT)

    def wait(self, timeout=180.0):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.1)
        with open(self.log, encoding="utf-8", errors="replace") as file:
            raise RuntimeError("the broker does not start:\n" + file.read()[-3000:])


class Cluster:
    """`count` brokers; `brokers` of it is what clients are given."""
    def __init__(self, count=1, security="PLAINTEXT", more="", java=()):
        self.jars = jars()
        need_client()
        self.home = tempfile.mkdtemp(prefix="florin-kafka-")
        atexit.register(self.remove)
        self.id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self.security, self.more, self.java = security, more, list(java)
        self.listener = "CLIENTS"
        self.brokers = []
        for node in range(1, count + 1):
            self.brokers.append(Broker(self, node))

    def start(self):
        start_together(self)
        return self

    @property
    def line(self):
        return ",".join(f"127.0.0.1:{broker.advertised}" for broker in self.brokers)

    def kill(self):
        for broker in self.brokers:
            broker.kill()

    def remove(self):
        self.kill()
        if not os.environ.get("FLORIN_KEEP"):
            shutil.rmtree(self.home, ignore_errors=True)

    # ---- an independent client ----

    def producer(self, **settings):
        from kafka import KafkaProducer
        return KafkaProducer(bootstrap_servers=self.line.split(","), acks="all", retries=5,
                             **settings)

    def admin(self):
        from kafka import KafkaAdminClient
        return KafkaAdminClient(bootstrap_servers=self.line.split(","))

    def leaders(self, topic, asked):
        """Which broker leads each partition, as `asked`, one of the brokers, knows it. No other is
        asked anything."""
        from kafka.protocol.metadata import MetadataRequest
        from kafka.protocol.parser import KafkaProtocol
        parser, answers = KafkaProtocol(client_id="tests", api_version=(2, 0)), []
        parser.send_request(MetadataRequest[1]([topic]))
        with socket.create_connection(("127.0.0.1", asked.port), 20) as line:
            line.sendall(parser.send_bytes())
            while not answers:
                piece = line.recv(65536)
                assert piece, "the broker hung up"
                answers = parser.receive_bytes(piece)
        partitions = answers[0][1].topics[0][3]
        return {number: leader for _, number, leader, _, _ in partitions}

    def topics(self):
        admin = self.admin()
        try:
            return set(admin.list_topics())
        finally:
            admin.close()

    def make_topic(self, name, partitions, replicas=1, **settings):
        from kafka.admin import NewTopic
        configs = {"cleanup.policy": "delete", "unclean.leader.election.enable": "false"}
        configs.update({key.replace("_", "."): str(value) for key, value in settings.items()})
        admin = self.admin()
        admin.create_topics([NewTopic(name, partitions, replicas, topic_configs=configs)])
        admin.close()

    def add_partitions(self, name, count):
        from kafka.admin import NewPartitions
        admin = self.admin()
        admin.create_partitions({name: NewPartitions(count)})
        admin.close()

    def change_topic(self, name, **settings):
        from kafka.admin import ConfigResource, ConfigResourceType
        configs = {key.replace("_", "."): str(value) for key, value in settings.items()}
        admin = self.admin()
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=configs)])
        admin.close()

    def allow(self, topic, **users):
        """From now on only these users may do only that with the topic."""
        from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType
        admin = self.admin()
        admin.create_acls([ACL(f"User:{user}", "*", ACLOperation[word], ACLPermissionType.ALLOW,
                               ResourcePattern(ResourceType.TOPIC, topic))
                           for user, words in users.items() for word in words])
        admin.close()

    def send_as(self, user, password, listener, topic, value, key, headers, partition=0):
        """Sends a record to a partition as somebody (SASL PLAIN); the broker's refusal, or None."""
        from kafka import KafkaProducer
        from kafka.errors import KafkaError
        producer = KafkaProducer(
            bootstrap_servers=f"127.0.0.1:{self.brokers[0].ports[listener]}", acks="all",
            security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN", sasl_plain_username=user,
            sasl_plain_password=password, max_block_ms=20000)
        try:
            producer.send(topic, value, key=key, headers=headers, partition=partition).get(30)
            return None
        except KafkaError as error:
            return type(error).__name__
        finally:
            producer.close()

    def join(self, group, topic, **settings):
        """Somebody who is in a group of workers, but wants another topic. To be closed."""
        from kafka import KafkaConsumer
        from kafka.coordinator.assignors.range import RangePartitionAssignor

        class Assignor(RangePartitionAssignor):
            name = "cooperative-sticky"
        consumer = KafkaConsumer(topic, bootstrap_servers=self.line.split(","), group_id=group,
                                 enable_auto_commit=False, partition_assignment_strategy=[Assignor],
                                 **settings)
        deadline = time.monotonic() + 60
        while not consumer.assignment() and time.monotonic() < deadline:
            consumer.poll(timeout_ms=100)
        return consumer

    def read(self, topic, enough=None, timeout=30.0):
        """All records of a topic, in order per partition: until `enough(records)` is true, or
        until the end that is there now."""
        for _ in range(3):
            records, starts = self._read_once(topic, enough, timeout)
            first = {}
            for record in records:
                first.setdefault(record.partition, record.offset)
            if all(offset == starts[part] for part, offset in first.items()):
                break
            print(f"{topic} was not read from its beginning, {first}: read again", flush=True)
        return records

    def _read_once(self, topic, enough, timeout):
        from kafka import KafkaConsumer, TopicPartition
        consumer = KafkaConsumer(bootstrap_servers=self.line.split(","), enable_auto_commit=False,
                                 auto_offset_reset="earliest", consumer_timeout_ms=1000)
        records = []
        deadline = time.monotonic() + timeout
        try:
            parts = None
            while not parts and time.monotonic() < deadline:
                parts = consumer.partitions_for_topic(topic)
                time.sleep(0 if parts else 0.2)
            if not parts:
                return records, {}
            places = [TopicPartition(topic, part) for part in sorted(parts)]
            consumer.assign(places)
            starts = consumer.beginning_offsets(places)
            for place, start in starts.items():
                consumer.seek(place, start)  # seek_to_beginning forgets it at times
            while time.monotonic() < deadline:
                for batch in consumer.poll(timeout_ms=200, max_records=5000).values():
                    records += batch
                if enough is not None:
                    if enough(records):
                        break
                    continue
                ends = consumer.end_offsets(places)
                if all(consumer.position(place) >= ends[place] for place in places):
                    break
        finally:
            consumer.close()
        return records, {place.partition: start for place, start in starts.items()}


def start_together(*clusters):
    brokers = [broker for cluster in clusters for broker in cluster.brokers]
    for broker in brokers:
        broker.prepare()
        broker.launch()
    for broker in brokers:
        broker.wait()
