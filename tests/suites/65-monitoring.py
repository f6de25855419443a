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
from florin import folder, free_port, serving  # noqa: E402
from report import Report  # noqa: E402

RULES = os.path.join(ROOT, "packaging", "prometheus", "florin.rules.yml")
DASHBOARD = os.path.join(ROOT, "packaging", "grafana", "florin.json")
METRIC = re.compile(r"\bflorin_[a-z0-9_]+")
CONFIG = {"rules": {"file": os.path.join(ROOT, "packaging", "rules.json")},
          "rate_limits": [{"per": "key", "requests": 1000}]}
# Shown with Kafka or PostgreSQL alone, so read off the program's text here; suites that have one
# look at the values.
ELSEWHERE = re.compile(r"florin_(queue|worker|events|postgres)_")
SAID = re.compile(r'metric_(?:head|value|thousandths)\(\w+, "([a-z0-9_]+)"')


def shown_metrics():
    nobody = [{"name": "shop", "url": f"http://127.0.0.1:{free_port()}/"}]
    secret = {"FLORIN_WEBHOOK_SECRET_SHOP": "whsec_" + "QUJD" * 8}
    with serving(config={**CONFIG, "webhooks": nobody}, environment=secret) as server:
        client = Client(server.port, server.admin_secret)
        client.request("POST", "/v1/wallets", body={"owner": "ann", "currency": "EUR"})
        # Some are shown once there is something to show.
        client.request("GET", "/check-integrity?depth=full")
        deadline = time.monotonic() + 20
        while True:
            metrics = client.request("GET", "/metrics").body.decode()
            if time.monotonic() > deadline or all(name in metrics for name in (
                    "florin_anomalies_waiting{", "florin_rule_hits_total{")):
                return metrics
            time.sleep(0.1)


def said_metrics():
    """All names that the program may show."""
    found = set()
    for place, _, names in os.walk(os.path.join(ROOT, "src")):
        for name in names:
            if name.endswith(".c"):
                with open(os.path.join(place, name), encoding="utf-8") as file:
                    found |= {"florin_" + one for one in SAID.findall(file.read())}
    return found


def labels_of(metrics):
    """{metric: its labels}, as shown."""
    found = {}
    for name, labels in re.findall(r"^(florin_\w+)\{(.*)\} ", metrics, re.M):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def test_labels(report, where, text, metrics):
    """Selectors and groups name labels that are there; Prometheus adds job and instance."""
    shown = labels_of(metrics)
    wrong = [(metric, label) for metric, selector in re.findall(r"(florin_\w+)\{([^}]*)\}", text)
             for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)
             if label not in shown.get(metric, set()) | {"instance", "job"} and
             not ELSEWHERE.match(metric)]
    report.equal(f"{where} select labels that are there", wrong, [])
    every = set().union(*shown.values()) | {"instance", "job"}
    grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", text)
               for label in group.split(",")}
    report.equal(f"{where} group by labels that are there", sorted(grouped - every), [])


def test_page(report, said):
    """What the operator's page reads off the metrics."""
    named = set()
    for place, _, names in os.walk(os.path.join(ROOT, "web")):
        for name in names:
            if name.endswith(".js") and "lib" not in place.split(os.sep):
                with open(os.path.join(place, name), encoding="utf-8") as file:
                    text = file.read()
                named |= {"florin_" + one for one in re.findall(r'value\("([a-z_]+)"\)', text)
                          if not one.startswith("florin_")}
                named |= set(re.findall(r'(?:value|named)\("(florin_[a-z_]+)"\)', text))
    report.check("the page reads metrics", len(named) > 8, named)
    report.equal("the page reads what a server says",
                 sorted(name for name in named if name not in said and
                        re.sub("_(bucket|sum|count)$", "", name) not in said), [])


def run_promtool(report, name, words, given=None):
    done = subprocess.run(["promtool", *words], input=given, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    report.equal(name, done.returncode, 0, done.stdout)


def test_promtool(report, metrics):
    if shutil.which("promtool") is None:
        report.skip("rules", "promtool is not here")
        return
    # It also has opinions on names, types and units: none of them is left.
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    report.equal("promtool finds nothing to say about /metrics", [done.returncode, done.stdout],
                 [0, ""])
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
    shown, said = set(METRIC.findall(metrics)), said_metrics()
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
        report.equal(f"{where} name what a server shows", sorted(
            name for name in named - shown if not (ELSEWHERE.match(name) and name in said)), [])
        test_labels(report, where, text, metrics)
    alerts = re.findall(r"- alert: (\w+)", rules)
    with open(os.path.join(TESTS, "monitoring", "alerts.yml"), encoding="utf-8") as file:
        tested = file.read()
    for alert in alerts:
        report.check(f"{alert} has a test", f"alertname: {alert}" in tested)
    test_page(report, said)
    test_promtool(report, metrics)
    report.finish()


if __name__ == "__main__":
    main()
