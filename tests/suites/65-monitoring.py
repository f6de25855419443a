#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What ships for monitoring is true: metrics that the alert rules and the dashboard speak of are
shown by a server, promtool understands /metrics and the rules, and each rule fires on its trouble
and on nothing else. A real Prometheus looks at a server: each panel of the dashboard shows
something, and no alert is raised about sound books."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
ROOT = os.path.abspath(os.path.join(TESTS, ".."))
sys.path.insert(0, os.path.join(TESTS, "lib"))

from florin import die_with_parent, folder, free_port, serving  # noqa: E402
from report import Report  # noqa: E402
from wait import within  # noqa: E402

RULES = os.path.join(ROOT, "packaging", "prometheus", "florin.rules.yml")
RUNBOOK = os.path.join(ROOT, "docs", "operating.md")
DASHBOARD = os.path.join(ROOT, "packaging", "grafana", "florin.json")
EXPECTED = ("FlorinWebhookStopped", "FlorinSlow", "FlorinSyncSlow", "FlorinStoreHangs",
            "FlorinRequestsMissDeadlines")
METRIC = re.compile(r"\bflorin_[a-z0-9_]+")
CONFIG = {"rules": {"file": os.path.join(ROOT, "packaging", "rules.json")},
          "rate_limits": [{"per": "key", "requests": 1000}]}
# Shown with Kafka, PostgreSQL or shards alone, so read off the program's text here; suites that
# have one look at the values.
ELSEWHERE = re.compile(r"florin_(queue|worker|events|postgres|shards|legs)_")
SAID = re.compile(r'metric_(?:head|value|thousandths)\(\w+, "([a-z0-9_]+)"')
SAID_LABELS = re.compile(r'florin_([a-z0-9_]+)\{(\w+)=')


def shown_metrics(server):
    with server.client() as client:
        client.post("/v1/wallets", {"owner": "ann", "currency": "EUR"})
        # Some are shown once there is something to show.
        client.get("/check-integrity?depth=full")
        client.get("/v1/wallets/none")
        client.post("/v1/deposits", {})

        def metrics():
            text = client.get("/metrics").body.decode()
            return all(name in text for name in (
                "florin_anomalies_waiting{", "florin_rule_hits_total{")) and text
        return within(60, metrics) or client.get("/metrics").body.decode()


def said_metrics():
    """All names that the program may show, and labels of theirs as they stand in its text."""
    found, labels = set(), {}
    for place, _, names in os.walk(os.path.join(ROOT, "src")):
        for name in names:
            if not name.endswith(".c"):
                continue
            with open(os.path.join(place, name), encoding="utf-8") as file:
                text = file.read()
            found |= {"florin_" + one for one in SAID.findall(text)}
            for metric, label in SAID_LABELS.findall(text):
                labels.setdefault("florin_" + metric, set()).add(label)
    return found, labels


def labels_of(metrics):
    """{metric: its labels}, as shown."""
    found = {}
    for name, labels in re.findall(r"^(florin_\w+)\{(.*)\} ", metrics, re.M):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def test_labels(report, where, text, metrics, said):
    """Selectors and groups name labels that are there; Prometheus adds job and instance."""
    shown = {**said, **labels_of(metrics)}
    wrong = [(metric, label) for metric, selector in re.findall(r"(florin_\w+)\{([^}]*)\}", text)
             for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)
             if label not in shown.get(metric, set()) | {"instance", "job"}]
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
                named |= set(re.findall(r'["`](florin_[a-z_]+)[ {]', text))
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


def filled_in(expression):
    """As Grafana asks it."""
    return expression.replace("$__rate_interval", "1m").replace("$instance", ".*")


def test_dashboard(report, panels):
    """Panels lie beside each other, and what they ask is PromQL."""
    places = [panel["gridPos"] for panel in panels]
    taken = [(x, y) for place in places for x in range(place["x"], place["x"] + place["w"])
             for y in range(place["y"], place["y"] + place["h"])]
    report.equal("no panel lies on another", len(set(taken)), len(taken))
    report.check("and all within the width", max(x for x, _ in taken) < 24)
    report.equal("each has a number of its own", len({panel["id"] for panel in panels}),
                 len(panels))
    if shutil.which("promtool") is None:
        return
    place = os.path.join(folder(), "dashboard.yml")
    with open(place, "w", encoding="utf-8") as file:
        json.dump({"groups": [{"name": "dashboard", "rules": [
            {"record": f"panel:{panel['id']}:{target['refId']}", "expr": filled_in(target["expr"])}
            for panel in panels for target in panel["targets"]]}]}, file)
    run_promtool(report, "promtool reads the dashboard", ["check", "rules", place])


class Prometheus:
    """A real one, which looks at a server every second."""
    def __init__(self, server):
        home, self.port = folder(), free_port()
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [RULES],
            "scrape_configs": [{"job_name": "florin", "static_configs": [
                {"targets": [f"127.0.0.1:{server.port}"]}]}]}
        with open(os.path.join(home, "prometheus.yml"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        with open(os.path.join(home, "log"), "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={home}/prometheus.yml",
                 f"--storage.tsdb.path={home}/data", f"--web.listen-address=127.0.0.1:{self.port}"],
                stdout=log, stderr=log, cwd=home, preexec_fn=die_with_parent)

    def ask(self, path, **query):
        """Its answer's data; None: it gives none yet."""
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(address, timeout=20) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    def values(self, expression):
        data = self.ask("query", query=expression)
        return [] if data is None else [one["value"][1] for one in data["result"]]

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def test_prometheus(report, server, panels):
    """What people see who use both files as they are shipped."""
    if shutil.which("prometheus") is None:
        report.skip("prometheus", "it is not here")
        return
    prometheus = Prometheus(server)
    try:
        report.check("prometheus looks at the server", within(
            120, lambda: prometheus.values('up{job="florin"}') == ["1"]))
        for panel in panels:
            for target in panel["targets"]:
                asked = filled_in(target["expr"])
                if not any(ELSEWHERE.match(name) for name in METRIC.findall(asked)):
                    report.check(f"{panel['title']}: {target['refId']} shows something", within(
                        120, lambda asked=asked: prometheus.values(asked)), asked)
        money = [target["expr"] for panel in panels if panel["title"] == "Money in the system"
                 for target in panel["targets"]]
        report.equal("money is shown as people count it", prometheus.values(filled_in(money[0])),
                     ["12.34"])
        report.check("the rules are evaluated", within(120, lambda: prometheus.ask("rules") and all(
            rule["health"] == "ok" for group in prometheus.ask("rules")["groups"]
            for rule in group["rules"])), prometheus.ask("rules"))
        # Nobody takes the events of the webhook here, and a machine may be slow.
        report.equal("and raise no alert about sound books", [
            (alert["labels"], alert["state"]) for alert in prometheus.ask("alerts")["alerts"]
            if "webhooks" != alert["labels"].get("dependency") and
            alert["labels"]["alertname"] not in EXPECTED], [])
    finally:
        prometheus.stop()


def main():
    report = Report("monitoring")
    with open(DASHBOARD, encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    nobody = [{"name": "shop", "url": f"http://127.0.0.1:{free_port()}/"}]
    secret = {"FLORIN_WEBHOOK_SECRET_SHOP": "whsec_" + "QUJD" * 8}
    with serving(config={**CONFIG, "webhooks": nobody}, environment=secret) as server:
        metrics = shown_metrics(server)
        with server.client() as client:
            wallet = client.list("/v1/wallets")[0]["id"]
            client.post("/v1/deposits", {"wallet": wallet, "amount": 1234,
                                         "bank_transaction_id": "b"})
        report.run("prometheus", test_prometheus, server, panels)
    shown, (said, labels) = set(METRIC.findall(metrics)), said_metrics()
    with open(RULES, encoding="utf-8") as file:
        rules = file.read()
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    report.check("the dashboard has panels", len(expressions) >= 10)
    test_dashboard(report, panels)
    for where, text in (("the alert rules", rules), ("the dashboard", "\n".join(expressions))):
        named = set(METRIC.findall(text))
        report.check(f"{where} name metrics", len(named) > 5)
        report.equal(f"{where} name what a server shows", sorted(
            name for name in named - shown if not (ELSEWHERE.match(name) and name in said)), [])
        test_labels(report, where, text, metrics, labels)
    alerts = re.findall(r"- alert: (\w+)", rules)
    with open(RUNBOOK, encoding="utf-8") as file:
        rows = re.findall(r"^\| (`Florin.*?) \|", file.read(), re.M)
    told = re.findall(r"`(Florin\w+)`", "".join(rows))
    report.equal("the runbook says what to do about each alert, and about no other",
                 sorted(told), sorted(alerts))
    with open(os.path.join(TESTS, "monitoring", "alerts.yml"), encoding="utf-8") as file:
        tested = file.read()
    for alert in alerts:
        report.check(f"{alert} has a test", f"alertname: {alert}" in tested)
    test_page(report, said | shown)
    test_promtool(report, metrics)
    report.finish()


if __name__ == "__main__":
    main()
