# SPDX-License-Identifier: MIT
"""A broker that lets nobody do what no rule of its authorizer allows. Everybody logs in with SASL
(PLAIN); the listener of the tests themselves may do all."""

import os
import stat

import broker

PASSWORD = "guarded-s3cret"
USERS = ("admin", "florin", "payroll", "shop", "audit", "worker", "stranger")

MORE = """
listeners=CLIENTS://127.0.0.1:@CLIENTS@,BARE://127.0.0.1:@BARE@,CONTROLLER://127.0.0.1:@CONTROLLER@
advertised.listeners=CLIENTS://127.0.0.1:@CLIENTS@,BARE://127.0.0.1:@BARE@
listener.security.protocol.map=CLIENTS:PLAINTEXT,BARE:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.bare.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
required {users};
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:admin
""".replace("{users}", " ".join(f'user_{name}="{PASSWORD}"' for name in USERS))

ADMIN = f"""security.protocol=SASL_PLAINTEXT
sasl.mechanism=PLAIN
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
username="admin" password="{PASSWORD}";
"""


def cluster():
    """Not started yet."""
    return broker.Cluster(more=MORE)


def line(guarded):
    """Where those have to log in whom rules are for."""
    return f"127.0.0.1:{guarded.brokers[0].ports['BARE']}"


def settings(guarded):
    """The members of `kafka` of Florin's."""
    return {"brokers": line(guarded), "replicas": 1, "min_insync": 1, "mechanism": "PLAIN",
            "security": "SASL_PLAINTEXT", "username": "florin"}


def give_tools(guarded, folder):
    """Kafka's own kafka-acls.sh, and an administrator's properties, as docs/kafka.md has them.
    Returns the folder of the program."""
    programs = os.path.join(folder, "programs")
    os.makedirs(programs, exist_ok=True)
    path = os.path.join(programs, "kafka-acls.sh")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\nexec java {' '.join(broker.JAVA)} -cp '{guarded.jars}/*' "
                   "kafka.admin.AclCommand \"$@\"\n")
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
    with open(os.path.join(folder, "admin.properties"), "w", encoding="utf-8") as file:
        file.write(ADMIN)
    return programs


def send(guarded, user, topic, value, key, headers, partition):
    """The broker's refusal, or None."""
    return guarded.send_as(user, PASSWORD, "BARE", topic, value, key, headers, partition)


def reads(guarded, user, topic, group):
    """Whether somebody gets records of a topic, as a member of a group."""
    from kafka import KafkaConsumer
    from kafka.errors import KafkaError
    consumer = KafkaConsumer(
        topic, bootstrap_servers=line(guarded), group_id=group, auto_offset_reset="earliest",
        security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN", sasl_plain_username=user,
        sasl_plain_password=PASSWORD, consumer_timeout_ms=120000)
    try:
        return next(iter(consumer), None) is not None
    except KafkaError:
        return False
    finally:
        consumer.close()
