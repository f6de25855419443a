#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One client floods; what do the others see?

    bench/noisy.py [--seconds N]

Four quiet connections send transfers while nobody else is there, then while a noisy client asks as
fast as it can for pages of 1,000 wallets over 64 connections, without and with rate limits, all in
one run. The load generators share a core, and the noisy one gives way there, so that the server is
what they compete for. Two controls say whose the loss is: the limited flood sent to another server,
beside the same quiet clients, which answers as many pages a second and holds the rest back (that is
what the generator costs), and a limited flood of pages of one wallet (that is what refusing costs).
Beside each stands what the server used of its core. Prints its conditions, and checks the books at
the end. Needs wrk.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "lib")]

import florin  # noqa: E402
import machine  # noqa: E402

LIMITS = [{"per": "key", "role": "support", "requests": 200, "burst": 200}]
PAGES = "/v1/wallets?limit=1000"
PAGE_BYTES = 300_000  # about what such a page has
SMALL = "/v1/wallets?limit=1"
LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '%s'
"""


def wrk(server, secret, connections, seconds, script=None, path=PAGES, nice=0):
    words = ["nice", "-n", str(nice), "wrk", "--latency", "-t1", f"-c{connections}",
             f"-d{seconds}s",
             "-H", f"Authorization: Bearer {secret}"]
    if machine.PINS:
        words = ["taskset", "-c", str(machine.LOAD_CORES[0]), *words]
    if script:
        words += ["-s", script]
    return subprocess.Popen([*words, f"http://127.0.0.1:{server.port}{path}"],
                            stdout=subprocess.PIPE, text=True)


def result(process):
    """Requests a second, p99 in ms, requests that were not answered 2xx."""
    text = process.communicate(timeout=300)[0]
    rate = float(re.search(r"Requests/sec:\s+([0-9.]+)", text).group(1))
    number, unit = re.search(r"99%\s+([0-9.]+)(us|ms|s)", text).groups()
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return rate, float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit], int(
        refused.group(1) if refused else 0)


class Elsewhere:
    """A server that knows one answer: as many a second as the limit allows, and then a refusal
    after a second, as Florin gives them. On the core of the load, where it gives way to the
    rest."""

    PROGRAM = """
import asyncio, time
page = b"x" * %d
yes = b"HTTP/1.1 200 OK\\r\\nContent-Length: %%d\\r\\n\\r\\n" %% len(page) + page
no = b"HTTP/1.1 429 Too Many Requests\\r\\nContent-Length: 0\\r\\n\\r\\n"
left, then = %d, time.monotonic()
async def serve(reader, writer):
    global left, then
    try:
        while await reader.readuntil(b"\\r\\n\\r\\n"):
            now = time.monotonic()
            left, then = min(%d, left + (now - then) * %d), now
            if left >= 1:
                left -= 1
                writer.write(yes)
            else:
                await asyncio.sleep(1)
                writer.write(no)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""

    def __init__(self):
        rate = LIMITS[0]["requests"]
        words = [sys.executable, "-c", self.PROGRAM % (PAGE_BYTES, rate, rate, rate)]
        if machine.PINS:
            words = ["taskset", "-c", str(machine.LOAD_CORES[0]), "nice", "-n", "19", *words]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.kill()
        self.process.wait()


def processor_s(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(name, config, noisy, seconds, elsewhere=None):
    """`noisy`: the path that the flood asks for; None: there is none."""
    with florin.serving(config=config) as server, tempfile.TemporaryDirectory() as folder:
        if machine.PINS:
            subprocess.run(["taskset", "-a", "-p", "-c", str(machine.SERVER_CORES[0]),
                            str(server.process.pid)], check=True, stdout=subprocess.DEVNULL)
        with server.client() as client:
            wallets = [client.post("/v1/wallets", {"owner": f"o{i}", "currency": "USD"})["id"]
                       for i in range(1000)]
            client.post("/v1/deposits", {"wallet": wallets[0], "amount": 10**12,
                                         "bank_transaction_id": "b"})
            script = os.path.join(folder, "transfer.lua")
            with open(script, "w", encoding="utf-8") as file:
                file.write(LUA % ('{"from":"%s","to":"%s","amount":1}' % tuple(wallets[:2])))
            quiet, flood = server.key("service")["secret"], server.key("support")["secret"]
            flooding = wrk(elsewhere or server, flood, 64, seconds + 2, path=noisy,
                           nice=19) if noisy else None
            before = processor_s(server.process.pid)
            rate, p99, refused = result(wrk(server, quiet, 4, seconds, script, "/v1/transfers"))
            used = (processor_s(server.process.pid) - before) / seconds
            line = (f"{name:38} {rate:9,.0f} transfers/s   p99 {p99:8.2f} ms   server's core "
                    f"{min(used, 9.99):.0%}, {used * 1e6 / rate:.0f} us per transfer")
            if flooding is not None:
                other = result(flooding)
                line += (f"   noisy: {other[0]:9,.0f} requests/s, of which "
                         f"{min(1, other[2] / (other[0] * (seconds + 2))):.0%} refused")
            print(line, flush=True)
            problem = florin.integrity_problem(client.get("/check-integrity"))
        stopped = server.stop(timeout=60)
        verified = server.verify()
        if refused or problem or stopped != 0 or verified.returncode != 0:
            sys.exit(f"wrong: {refused} refused, {problem}, {stopped}, {verified.stdout}")
        return rate, p99


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=10)
    seconds = parser.parse_args().seconds
    print(f"processor {machine.cpu_model()}, {len(machine.CORES)} cores, server and load on one "
          f"each: {machine.PINS}; load before {os.getloadavg()[0]:.2f}; {florin.binary()}")
    alone = measure("alone", None, None, seconds)
    limits = {"rate_limits": LIMITS}
    parts = {"without limits": measure("beside a flood, no limits", None, PAGES, seconds),
             "with limits": measure("beside a flood, with limits", limits, PAGES, seconds),
             "of small pages": measure("beside one of small pages, with limits", limits, SMALL,
                                       seconds)}
    other = Elsewhere()
    try:
        parts["elsewhere"] = measure("beside one sent elsewhere", limits, PAGES, seconds, other)
    finally:
        other.stop()
    for name, (rate, p99) in parts.items():
        print(f"{name}: {rate / alone[0]:.0%} of the rate alone, {p99 / alone[1]:.1f} times its "
              "p99")
    print("books: /check-integrity and florin verify found no difference after each part")


if __name__ == "__main__":
    main()
