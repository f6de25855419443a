#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What ships for monitoring is true: metrics that the alert rules and the dashboard speak of are
shown by a server, promtool understands /metrics and the rules, and each rule fires on its trouble
and on nothing else."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
ROOT = os.path.abspath(os.path.join(TESTS, ".."))
sys.path.insert(0, os.path.join(TESTS, "lib"))

from client import Client  # noqa: E402
from florin import folder, serving  # noqa: E402
from report import Report  # noqa: E402

RULES = os.path.join(ROOT, "packaging", "prometheus", "florin.rules.yml")
DASHBOARD = os.path.join(ROOT, "packaging", "grafana", "florin.json")
METRIC = re.compile(r"\bflorin_[a-z0-9_]+")


def shown_metrics():
    with serving() as server:
        client = Client(server.port, server.admin_secret)
        client.request("POST", "/v1/wallets", body={"owner": "ann", "currency": "EUR"})
        # Some are shown once there is something to show.
        client.request("GET", "/check-integrity?depth=full")
        deadline = time.monotonic() + 20
        while True:
            metrics = client.request("GET", "/metrics").body.decode()
            if "florin_anomalies_waiting{" in metrics or time.monotonic() > deadline:
                return metrics
            time.sleep(0.1)


def run_promtool(report, name, words, given=None):
    done = subprocess.run(["promtool", *words], input=given, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    report.equal(name, done.returncode, 0, done.stdout)


def test_promtool(report, metrics):
    if shutil.which("promtool") is None:
        report.skip("rules", "promtool is not here")
        return
    # Its linter has opinions on names; what it must not find is text that it cannot read.
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    report.check("promtool reads /metrics", done.returncode in (0, 3)
                 and "error while" not in done.stdout, done.stdout)
    run_promtool(report, "promtool reads the rules", ["check", "rules", RULES])
    place = os.path.join(folder(), "alerts.yml")
    with open(os.path.join(TESTS, "monitoring", "alerts.yml"), encoding="utf-8") as file:
        tests = file.read()
    with open(place, "w", encoding="utf-8") as file:
        file.write(f"rule_files: ['{RULES}']\n{tests}")
    run_promtool(report, "each rule fires on its trouble alone", ["test", "rules", place])


def main():
    report = Report("monitoring")
    metrics = shown_metrics()
    shown = set(METRIC.findall(metrics))
    with open(RULES, encoding="utf-8") as file:
        rules = file.read()
    with open(DASHBOARD, encoding="utf-8") as file:
        dashboard = file.read()
    expressions = [target["expr"] for panel in json.loads(dashboard)["panels"]
                   for target in panel["targets"]]
    report.check("the dashboard has panels", len(expressions) >= 10)
    for where, text in (("the alert rules", rules), ("the dashboard", "\n".join(expressions))):
        named = set(METRIC.findall(text))
        report.check(f"{where} name metrics", len(named) > 5)
        report.equal(f"{where} name what a server shows", sorted(named - shown), [])
    alerts = re.findall(r"- alert: (\w+)", rules)
    with open(os.path.join(TESTS, "monitoring", "alerts.yml"), encoding="utf-8") as file:
        tested = file.read()
    for alert in alerts:
        report.check(f"{alert} has a test", f"alertname: {alert}" in tested)
    test_promtool(report, metrics)
    report.finish()


if __name__ == "__main__":
    main()
