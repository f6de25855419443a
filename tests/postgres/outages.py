# SPDX-License-Identifier: MIT
"""Faults of the database that are no crash: it hangs, statements are cancelled, tables are locked,
the line falls silent, the disk is full. Under load, with the same questions afterwards."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time

import cluster
from client import Unreachable
from faults import FaultKiller
from proxy import Proxy
from shop import Shop

class Patient(FaultKiller):
    """A fault that takes longer than a round is tried for may end in `busy`: a retry tells.

    Such a request may still be on its way when it is answered, and be done a little later.
    """
    def check_round(self, number, sent):
        self.settle()  # before anything is taken for not done
        for request in sent:
            if request.answer is not None and request.answer.status == 503:
                request.answer = None
                request.may_come_late = True
        super().check_round(number, sent)


def hang(seconds):
    """SIGSTOP of every process of the server."""
    def fault(server, _database):
        wrapper = server.process.pid  # runuser stops itself when its child does
        pids = [server.postmaster()] + [int(pid) for pid in server.sql(
            "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()", "postgres").split()]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        for pid in pids + [wrapper]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    return fault


def cancel(server, database):
    """What a statement's time-out does (57014), as often as it takes to meet one."""
    for _ in range(40):
        server.sql("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity "
                   "WHERE datname = current_database() AND pid <> pg_backend_pid() "
                   "AND state = 'active'", database)


def lock_tables(server, database):
    """Longer than a statement waits for a lock (55P03)."""
    server.sql("BEGIN; LOCK TABLE florin.wallets IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4); "
               "COMMIT", database)


def hanging(report, binary, seed, server):
    killer = Patient(report, binary, seed, server)
    killer.play_faults([("a short hang", hang(2), 1),
                        ("a hang beyond the COMMIT's time", hang(7), 1),
                        ("statements cancelled", cancel, 2), ("tables locked", lock_tables, 1)])


def silent_lines(report, binary, seed, server):
    """The line falls silent before COMMIT, in it, and behind it; nobody hears that it is gone."""
    proxy = Proxy(server.socket)

    def silence(statement):
        def fault(_server, _database):
            proxy.set_trap(statement, "silent")
            report.check(f"silent at {statement}", proxy.wait())
            time.sleep(0.3)
        return fault

    server.line = proxy.folder
    try:
        killer = Patient(report, binary, seed, server)
        killer.play_faults([("silent before COMMIT", silence("PAY_FEW_WALLETS"), 1),
                            ("silent at COMMIT", silence("COMMIT"), 1),
                            ("silent behind COMMIT", silence("LEAVE"), 1)])
    finally:
        server.line = server.socket
        proxy.close()


class SmallDisk:
    """A file system of some megabytes in memory, and a file in it that takes the rest."""
    def __init__(self, megabytes):
        self.path = tempfile.mkdtemp(prefix="florin-disk-")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs",
                               self.path], capture_output=True, text=True, check=False)
        self.why = done.stderr.strip() if done.returncode != 0 else None

    def fill(self):
        with open(os.path.join(self.path, "filler"), "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * 4096)

    def free(self):
        os.remove(os.path.join(self.path, "filler"))

    def close(self):
        if self.why is None:
            subprocess.run(["umount", "-l", self.path], check=False)
        shutil.rmtree(self.path, ignore_errors=True)


def disk_full(report, binary, seed, what):
    """`what` is "data" or "pg_wal": which of them has no room left."""
    disk = SmallDisk(160)
    if disk.why is not None:
        report.skip(f"{what} full", f"no small file system can be mounted here: {disk.why}")
        disk.close()
        return
    server = None
    try:
        server = cluster.Cluster(**{what: os.path.join(disk.path, what)})
        cluster.serve_from(server)
        killer = FaultKiller(report, binary, seed, server)
        killer.server.config = {"request_deadline_ms": 3000}
        killer.server.start()
        killer.shop = Shop(killer.server)
        play_full(report, killer, disk, server, what)
        killer.end()
        killer.server.discard()
    finally:
        if server is not None:
            server.discard()
        disk.close()


def play_full(report, killer, disk, server, what):
    wallet = killer.shop.customers[0]
    statuses, paid = {}, []
    with killer.server.client() as client:
        disk.fill()
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            name = f"full-{what}-{len(paid)}"
            try:
                status = client.post("/v1/batches", {"atomic": True, "operations": [
                    {"type": "deposit", "wallet": wallet, "amount": 1, "reference": "x" * 200,
                     "bank_transaction_id": f"{name}-{number}"} for number in range(100)]},
                                     key=name).status
            except Unreachable:
                status = None
            paid.append((name, status))
            statuses[status] = statuses.get(status, 0) + 1
            if sum(statuses.values()) - statuses.get(200, 0) >= 3:
                break
        print(f"outages: {what} full: {statuses}", flush=True)
        report.check("florin lives", killer.server.process.poll() is None,
                     lambda: killer.server.log()[-3000:])
        wanted = 507 if what == "data" else 503
        report.check(f"{what} full: writes are refused", statuses.get(wanted, 0) >= 1, statuses)
        report.check(f"{what} full: nothing else", set(statuses) <= {200, 503, 507},
                     lambda: f"{statuses}\n{killer.server.log()[-2000:]}")
        if what == "data":
            report.equal("reads go on", client.get(f"/v1/wallets/{wallet}").status, 200)
        disk.free()
        if server.process.poll() is not None:
            server.start()
        for name, status in paid:
            again = repeat(client, name, wallet)
            report.check(f"{name} again", again is not None and again.status == 200 and
                         again.replayed == (status == 200 or again.replayed), f"{status} {again!r}")
        items = client.list(f"/v1/wallets/{wallet}/transactions?limit=100")
        banks = [item["bank_transaction_id"] for item in items
                 if str(item.get("bank_transaction_id")).startswith("full-")]
        report.equal("each once", (len(banks), len(set(banks))), (100 * len(paid),) * 2)


def repeat(client, name, wallet):
    """The same request, until the server has recovered."""
    deadline = time.monotonic() + 40
    answer = None
    while time.monotonic() < deadline:
        answer = client.post("/v1/batches", {"atomic": True, "operations": [
            {"type": "deposit", "wallet": wallet, "amount": 1, "reference": "x" * 200,
             "bank_transaction_id": f"{name}-{number}"} for number in range(100)]}, key=name)
        if answer.status not in (503, 507):
            break
        time.sleep(0.2)
    return answer
