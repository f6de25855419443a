# SPDX-License-Identifier: MIT
"""Dead letters that brokers do not take at once."""

import shop as shops


def one_waits(report, world, cluster, partitions):
    """One letter that the broker does not take keeps what is behind it waiting, and brings none of
    those along again that it has."""
    shop = world()
    ann, bob = shop.open("ann", money=100), shop.open("bob")
    with shop.client() as client:
        service = client.post("/v1/keys", {"name": "payroll", "role": "service"}).json
    safe = {"cleanup_policy": "delete", "unclean_leader_election_enable": "false"}
    cluster.change_topic(shop.topic, max_message_bytes=1_000_000, **safe)  # all of them at once
    cluster.change_topic(shop.dead, max_message_bytes=110_000, **safe)
    producer, text = cluster.producer(linger_ms=500, batch_size=1_000_000), str(
        shops.slot_of(ann)).encode()
    partition = shops.partition_of(text, partitions)

    def send(value):
        return producer.send(shop.topic, value, key=text, partition=partition,
                             headers=shops.headers_of(service["secret"], service["id"], text, value,
                                                      shop.topic))
    small = [shops.payment(ann, bob, -5, f"small{i}") for i in range(60)]
    large = b"x" * 115_000
    sent = [send(value) for value in [*small[:30], large, *small[30:],
                                      shops.payment(ann, bob, 7, "good")]]
    offsets = [record.get(30).offset for record in sent]

    def refused():
        return shop.server.log().count("A dead letter was not delivered")

    def found():
        return sorted(int(dict(letter.headers)["florin-offset"])
                      for letter in cluster.read(shop.dead))
    shop.wait_for(lambda: refused() >= 4, what="the letter to be refused again and again")
    report.equal("nothing behind it is done", shop.balance(bob), 0)
    once = found()
    report.equal("those that the broker has are there once", once, sorted(set(once)))
    report.check("but not that one", offsets[30] not in once, once)
    cluster.change_topic(shop.dead, max_message_bytes=2_000_000, **safe)
    shop.wait_for(lambda: shop.balance(bob) == 7, what="what is behind it")
    report.equal("each once", found(), offsets[:-1])
    report.equal("and counted once", shop.metric("worker_dead_letters_total"), 61)
    with shop.client() as client:
        shown = client.get("/v1/dead-letters")["items"]
    report.equal("none repeats another", [one for one in shown if "repeats" in one], [])
    shop.server.stop()
