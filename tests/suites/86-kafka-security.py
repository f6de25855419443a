#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""TLS, client certificates, and SASL (PLAIN and SCRAM) against a real broker that demands them;
what is wrong lets nothing through, is said, and no secret is ever printed."""

import os
import subprocess
import sys
import time
import uuid

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, name) for name in ("lib", "kafka")]

import broker  # noqa: E402
import florin  # noqa: E402
import shop as shops  # noqa: E402
from report import Report  # noqa: E402

florin.filter_calls()
BINARY = florin.binary()
HOME = florin.folder()
PARTITIONS = 4
PASSWORDS = {"PLAIN": "plain-s3cret-word", "SCRAM-SHA-256": "scram-s3cret-256",
             "SCRAM-SHA-512": "scram-s3cret-512"}
USERS = {"PLAIN": "florin", "SCRAM-SHA-256": "florin-256", "SCRAM-SHA-512": "florin-512"}
KEY_PASSWORD = "key-s3cret-word"

MORE = """
listeners=CLIENTS://127.0.0.1:@CLIENTS@,TLS://127.0.0.1:@TLS@,MUTUAL://127.0.0.1:@MUTUAL@,\
SASL://127.0.0.1:@SASL@,BARE://127.0.0.1:@BARE@,CONTROLLER://127.0.0.1:@CONTROLLER@
advertised.listeners=CLIENTS://127.0.0.1:@CLIENTS@,TLS://127.0.0.1:@TLS@,\
MUTUAL://127.0.0.1:@MUTUAL@,SASL://127.0.0.1:@SASL@,BARE://127.0.0.1:@BARE@
listener.security.protocol.map=CLIENTS:PLAINTEXT,TLS:SSL,MUTUAL:SSL,SASL:SASL_SSL,\
BARE:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location={home}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={home}/ca.crt
listener.name.mutual.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
{plain}
{scram}
"""
PLAIN = ("listener.name.{name}.plain.sasl.jaas.config=org.apache.kafka.common.security.plain."
         "PlainLoginModule required user_florin=\"{password}\" user_payroll=\"{password}\" "
         "user_stranger=\"{password}\";")
SCRAM = ("listener.name.{name}.{mechanism}.sasl.jaas.config=org.apache.kafka.common.security."
         "scram.ScramLoginModule required;")


def path(name):
    return os.path.join(HOME, name)


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=HOME)


def write(name, text):
    with open(path(name), "w", encoding="utf-8") as file:
        file.write(text)
    return path(name)


def certificate(name, authority, names):
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out",
            f"{name}.csr", "-subj", f"/CN={name}")
    write(f"{name}.ext", f"subjectAltName={names}\n")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.crt", "-CAkey",
            f"{authority}.key", "-CAcreateserial", "-days", "2", "-out", f"{name}.crt",
            "-extfile", f"{name}.ext")


def make_certificates():
    for name in ("ca", "stranger"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out",
                f"{name}.crt", "-days", "2", "-subj", f"/CN={name}")
    certificate("broker", "ca", "DNS:localhost")  # not 127.0.0.1, where it is advertised
    certificate("client", "ca", "DNS:florin")
    openssl("rsa", "-aes256", "-in", "client.key", "-out", "client-locked.key", "-passout",
            f"pass:{KEY_PASSWORD}")
    openssl("pkcs8", "-topk8", "-nocrypt", "-in", "broker.key", "-out", "broker.p8")
    with open(path("broker.p8"), encoding="utf-8") as key, \
            open(path("broker.crt"), encoding="utf-8") as crt:
        write("broker.pem", key.read() + crt.read())


def give_credential(cluster, mechanism, password):
    done = subprocess.run(["java", *broker.JAVA, "-cp", cluster.jars + "/*",
                           "kafka.admin.ConfigCommand", "--bootstrap-server", cluster.line,
                           "--alter", "--add-config", f"{mechanism}=[password={password}]",
                           "--entity-type", "users", "--entity-name", USERS[mechanism]],
                          check=False, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)


def start():
    make_certificates()
    plain = "\n".join(PLAIN.format(name=name, password=PASSWORDS["PLAIN"])
                      for name in ("sasl", "bare"))
    scram = "\n".join(SCRAM.format(name=name, mechanism=mechanism.lower())
                      for name in ("sasl", "bare") for mechanism in PASSWORDS
                      if "SCRAM" in mechanism)
    cluster = broker.Cluster(more=MORE.format(home=HOME, plain=plain, scram=scram)).start()
    for mechanism, password in PASSWORDS.items():
        if "SCRAM" in mechanism:
            give_credential(cluster, mechanism, password)
    return cluster


CLUSTER = start()


def shop_at(listener, environment=None, **kafka):
    """A server that reaches the broker by this listener, with topics of its own."""
    name = uuid.uuid4().hex[:8]
    line = f"127.0.0.1:{CLUSTER.brokers[0].ports[listener]}"
    server = florin.Server(BINARY, environment=environment, config=shops.config(
        CLUSTER, commands_topic=f"commands.{name}", dead_letter_topic=f"dead.{name}", group=name,
        events_topic=f"events.{name}", **{**kafka, "brokers": line}))
    return shops.Shop(CLUSTER, BINARY, server=server)


def works(report, name, listener, environment=None, **kafka):
    shop = shop_at(listener, environment, **kafka)
    shop.wait_for(lambda: shop.metric("worker_partitions") == PARTITIONS, what="partitions")
    ann, bob = shop.open("ann", money=10), shop.open("bob")
    with shop.client() as client:
        queued = shop.queue(client, "/v1/transfers", {"from": ann, "to": bob, "amount": 3})
        report.equal(f"{name}: queued", queued.status, 202, queued)
    report.equal(f"{name}: done", shop.outcome(queued["id"])["status"], "done")
    shop.wait_for(lambda: (shop.metric("events_published_total") or 0) >= 4, what="events")
    tells_no_secret(report, name, shop)
    shop.server.stop()


def tells_no_secret(report, name, shop):
    """Not in the log, the metrics, the queue's state, the words of the process, or the help."""
    told = shop.server.log() + str(shop.server.command_line("help"))
    with shop.client() as client:
        told += str(client.get("/metrics").body) + str(client.get("/readyz").json)
        if shop.metric("queue_broker_up") == 1:
            told += str(client.get("/v1/queue").json) + str(shop.server.command_line(
                "dead-letter", "list", "--config", os.path.join(shop.server.home, "config.json")))
    with open(f"/proc/{shop.server.process.pid}/cmdline", "rb") as file:
        told += file.read().decode()
    report.check(f"{name}: something is told", "florin_queue_broker_up" in told and
                 "--kafka" in told, told)
    for secret in [*PASSWORDS.values(), KEY_PASSWORD, "a wrong one"]:
        report.check(f"{name}: no secret is told", secret not in told, secret)


def refused(report, name, listener, said, environment=None, **kafka):
    shop = shop_at(listener, environment, **kafka)
    ann, bob = shop.open("ann", money=10), shop.open("bob")
    shop.wait_for(lambda: said in shop.server.log(), what=f"the log to say {said}")
    with shop.client() as client:
        report.equal(f"{name}: busy", shop.queue(
            client, "/v1/transfers", {"from": ann, "to": bob, "amount": 3}).code, "busy")
        report.equal(f"{name}: direct writes go on", client.post(
            "/v1/transfers", {"from": ann, "to": bob, "amount": 3}).status, 201)
    tells_no_secret(report, name, shop)
    shop.server.stop()


def tls(report):
    ssl = {"security": "SSL", "ca_file": path("ca.crt")}
    works(report, "TLS", "TLS", any_host_name=True, **ssl)
    refused(report, "another name", "TLS", "does not let us in", **ssl)
    refused(report, "a stranger's CA", "TLS", "does not let us in", security="SSL",
            ca_file=path("stranger.crt"), any_host_name=True)


def client_certificates(report):
    ssl = {"security": "SSL", "ca_file": path("ca.crt"), "any_host_name": True,
           "certificate_file": path("client.crt")}
    works(report, "a client's certificate", "MUTUAL", key_file=path("client.key"), **ssl)
    works(report, "its key's password", "MUTUAL", key_file=path("client-locked.key"),
          key_password_file=write("key-password", KEY_PASSWORD + "\n"), **ssl)
    refused(report, "none", "MUTUAL", "bad certificate", security="SSL",
            ca_file=path("ca.crt"), any_host_name=True)


def sasl(report):
    for mechanism, password in PASSWORDS.items():
        asks = {"mechanism": mechanism, "username": USERS[mechanism]}
        works(report, f"{mechanism} over TLS", "SASL", security="SASL_SSL",
              ca_file=path("ca.crt"), any_host_name=True,
              password_file=write(f"password-{mechanism}", password + "\n"), **asks)
    works(report, "PLAIN from the environment", "BARE", security="SASL_PLAINTEXT",
          mechanism="PLAIN", username="florin",
          environment={"FLORIN_KAFKA_PASSWORD": PASSWORDS["PLAIN"]})
    for mechanism in ("PLAIN", "SCRAM-SHA-512"):
        refused(report, f"{mechanism} with a wrong password", "BARE", "does not let us in",
                security="SASL_PLAINTEXT", mechanism=mechanism, username=USERS[mechanism],
                environment={"FLORIN_KAFKA_PASSWORD": "a wrong one"})


def own_topic(report):
    """A topic of one producer's own: who may write to it is the broker's to say, and what comes
    through it needs no other proof."""
    sasl = {"security": "SASL_PLAINTEXT", "mechanism": "PLAIN", "username": "florin",
            "environment": {"FLORIN_KAFKA_PASSWORD": PASSWORDS["PLAIN"]}}
    shop = shop_at("BARE", **sasl)
    ann, bob = shop.open("ann", money=10), shop.open("bob")
    with shop.client() as client:
        key = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
    topic = "payroll." + uuid.uuid4().hex[:8]
    CLUSTER.make_topic(topic, 1)
    CLUSTER.allow(topic, payroll=["WRITE"], stranger=["DESCRIBE"],
                  florin=["READ", "DESCRIBE_CONFIGS"])
    shop.server.config["kafka"]["topics"] = [
        {"topic": topic, "principal": key["id"], "partitions": 1}]
    shop.server.restart()
    shop.wait_for(lambda: shop.metric("worker_partitions") == PARTITIONS + 1, what="partitions")

    def send(user, name):
        return CLUSTER.send_as(user, PASSWORDS["PLAIN"], "BARE", topic,
                               shops.payment(ann, bob, 3, name),
                               key=str(shops.slot_of(ann)).encode(),
                               headers=[("florin-version", b"1")])
    refusal = send("stranger", "s1")
    report.equal("a stranger's is not taken", refusal, "TopicAuthorizationFailedError")
    report.equal("its owner's is", send("payroll", "s2"), None)
    shop.wait_for(lambda: shop.balance(bob) == 3, what="the payment")
    with shop.client() as client:
        paid = client.get(f"/v1/wallets/{bob}/transactions?limit=1")["items"][0]
    twice = florin.Server(BINARY, config=shops.config(
        CLUSTER, topics=[{"topic": "florin.commands", "principal": key["id"]}])).refused()
    report.check("a topic twice: refused", twice is not None and "something else" in twice[1],
                 twice)
    report.equal("in its owner's name", (paid["reference"], paid["initiated_by"]),
                 ("s2", key["id"]))
    shop.server.stop()


def not_let_read(report):
    """A topic that we may look at but not read: one alarm that lasts as long as it does, however
    often it is tried again; and it goes on by itself when we may."""
    shop = shop_at("BARE", security="SASL_PLAINTEXT", mechanism="PLAIN", username="florin",
                   environment={"FLORIN_KAFKA_PASSWORD": PASSWORDS["PLAIN"]})
    ann, bob = shop.open("ann", money=10), shop.open("bob")
    with shop.client() as client:
        key = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
    topic = "payroll." + uuid.uuid4().hex[:8]
    CLUSTER.make_topic(topic, 1)
    CLUSTER.allow(topic, payroll=["WRITE"], florin=["DESCRIBE", "DESCRIBE_CONFIGS"])
    shop.server.config["kafka"]["topics"] = [
        {"topic": topic, "principal": key["id"], "partitions": 1}]
    shop.server.restart()
    shop.wait_for(lambda: (shop.metric("worker_stopped") or 0) == 1, what="an alarm")
    seen, until = set(), time.monotonic() + 9
    while time.monotonic() < until:
        seen.add(shop.metric("worker_stopped"))
        time.sleep(0.02)
    report.equal("the alarm does not go on and off", seen, {1})
    alarms = [line for line in shop.server.log().splitlines()
              if "ALARM" in line and topic in line]
    report.check("it is said once, and why", len(alarms) == 1 and "authorization" in alarms[0],
                 shop.server.log()[-2000:])
    CLUSTER.allow(topic, florin=["READ"])
    report.equal("a command", CLUSTER.send_as(
        "payroll", PASSWORDS["PLAIN"], "BARE", topic, shops.payment(ann, bob, 3, "r1"),
        key=str(shops.slot_of(ann)).encode(), headers=[("florin-version", b"1")]), None)
    shop.wait_for(lambda: shop.balance(bob) == 3, what="the payment")
    shop.wait_for(lambda: shop.metric("worker_stopped") == 0, what="the alarm to end")
    shop.server.stop()


def settings(report):
    """What makes no sense ends the start with a sentence."""
    for name, kafka, said in (
            ("no such file", {"security": "SASL_SSL", "mechanism": "PLAIN", "username": "florin",
                              "password_file": path("nowhere")}, "cannot be read"),
            ("no such protocol", {"security": "ROT13"}, "security.protocol"),
            ("no such mechanism", {"security": "SASL_SSL", "mechanism": "ROT13",
                                   "username": "florin"}, "Kafka"),
            ("a topic of nobody's", {"topics": [{"topic": "payroll"}]}, "needs"),
            ("a topic of no key's", {"topics": [{"topic": "payroll", "principal": "system"}]},
             "API key")):
        server = florin.Server(BINARY, config=shops.config(CLUSTER, **kafka))
        ended = server.refused()
        report.check(f"{name}: refused", ended is not None and ended[0] in (1, 2) and
                     said in ended[1],
                     ended)


report = Report("kafka security")
report.run("TLS", tls)
report.run("client certificates", client_certificates)
report.run("SASL", sasl)
report.run("own topic", own_topic)
report.run("not let read", not_let_read)
report.run("settings", settings)
report.finish()
