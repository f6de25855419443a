# SPDX-License-Identifier: MIT
"""Runs beside the packaged unit (27-systemd.py), as its systemd's service, and writes down what it
finds. Needs nothing but Python."""

import json
import os
import subprocess
import time
import traceback
import urllib.error
import urllib.request

URL = "http://127.0.0.1:8080"
FOUND = {}


def systemctl(*words):
    return subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)


def shown(name):
    return systemctl("show", "florin.service", "-p", name, "--value").stdout.strip()


def until(ready):
    """Waits for it, a minute at most."""
    for _ in range(600):
        try:
            value = ready()
        except (OSError, ValueError):
            value = None
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"in vain: {shown('ActiveState')} {shown('Result')}")


def healthy():
    with urllib.request.urlopen(URL + "/healthz", timeout=10) as answer:
        return answer.status == 200


def ask(path, body=None):
    with open("/var/lib/florin/admin.key", encoding="ascii") as file:
        secret = file.read().strip()
    request = urllib.request.Request(URL + path, headers={
        "Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
        data=None if body is None else json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, json.load(answer)


def look(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        FOUND["status"] = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        FOUND["core"] = next(line.split()[4:6] for line in file if line.startswith("Max core"))
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
        rows = [line.split() for line in file]
    FOUND["mounts"] = {row[4]: row[5] for row in rows}
    FOUND["proc"] = next(row[-1] for row in rows if row[4] == "/proc")
    stat = os.stat("/var/lib/private/florin")
    FOUND["folder"] = [oct(stat.st_mode), str(stat.st_uid) == FOUND["status"]["Uid"].split()[0]]


def probe():
    until(healthy)
    FOUND["state"] = shown("ActiveState")
    pid = shown("MainPID")
    look(pid)
    opened = ask("/v1/wallets", {"owner": "ann", "currency": "USD", "metadata": {"note": "quiet"}})
    wallet = f"/v1/wallets/{opened[1]['id']}"
    paid = ask("/v1/deposits", {"wallet": opened[1]["id"], "amount": 5,
                                "bank_transaction_id": "b1"})
    FOUND["worked"] = [opened[0], paid[0], ask(wallet)[1]["metadata"]["note"]]
    FOUND["reloaded"] = systemctl("reload", "florin.service").returncode
    FOUND["same_process"] = shown("MainPID") == pid and healthy()
    systemctl("kill", "--signal=KILL", "florin.service")
    until(lambda: shown("MainPID") not in (pid, "0") and healthy())
    FOUND["after_kill"] = [shown("MainPID") != pid, ask(wallet)[1]["balance"]]
    systemctl("stop", "florin.service")
    FOUND["stopped"] = [shown("ActiveState"), shown("Result")]
    FOUND["log"] = subprocess.run(["journalctl", "-u", "florin.service", "--no-pager", "-o", "cat"],
                                  capture_output=True, text=True, check=True).stdout.splitlines()
    verified = subprocess.run(
        ["/usr/local/bin/florin", "verify", "/var/lib/private/florin"],
        capture_output=True, text=True, check=False)
    FOUND["verified"] = [verified.returncode, verified.stderr]


try:
    probe()
except Exception:  # whatever it is, the one who looks should know
    FOUND["failed"] = traceback.format_exc()
    FOUND["log"] = systemctl("status", "florin.service", "-l", "--no-pager").stdout.splitlines()
with open("/found/new.json", "w", encoding="utf-8") as file:
    json.dump(FOUND, file)
os.rename("/found/new.json", "/found/done.json")
