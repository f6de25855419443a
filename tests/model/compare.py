# SPDX-License-Identifier: MIT
"""Compares a server's answer with the naive ledger's, and learns which id of the server is which
of the ledger's.

The server's ids can't be predicted, so the first answer that shows a new thing teaches its id;
from then on it must always be the same. Everything else is compared exactly, but the sentences of
problems.
"""

import json
import re

MODEL_ID = re.compile(r"\b(wallet|txn|hold|wdl|key|apr)_m\d+\b")
SERVER_ID = re.compile(r"[a-z]+_[0-7][0-9a-hjkmnp-tv-z]{25}\Z")


class Names:
    """The naive ledger's ids and the server's, both ways."""
    def __init__(self):
        self.server = {}
        self.model = {}

    def learn(self, model_id, server_id):
        """What is wrong with this pair, or None."""
        if model_id in self.server:
            return None if self.server[
                model_id] == server_id else f"expected {self.server[model_id]}"
        if not isinstance(server_id, str) or not SERVER_ID.match(server_id):
            return "not an id"
        if server_id in self.model:
            return f"is already the id of {self.model[server_id]}"
        self.server[model_id] = server_id
        self.model[server_id] = model_id
        return None

    def translate(self, text):
        """The ledger's ids in a text become the server's."""
        return MODEL_ID.sub(lambda match: self.server.get(match[0], match[0]), text)

    def translate_bytes(self, body):
        return self.translate(body.decode("latin-1")).encode("latin-1")


def differences(expected, got, names, where=""):
    """A list of sentences about where `got` is not what was expected."""
    if isinstance(expected, dict):
        if not isinstance(got, dict):
            return [f"{where}: expected an object, got {got!r}"]
        if "code" in expected:
            return problem_differences(expected, got, where)
        return object_differences(expected, got, names, where)
    if isinstance(expected, list):
        if not isinstance(got, list):
            return [f"{where}: expected a list, got {got!r}"]
        if len(expected) != len(got):
            return [
                f"{where}: expected {len(expected)} items, got {len(got)}: "
                f"{short(expected)} / {short(got)}"
            ]
        return [
            line for index, pair in enumerate(zip(expected, got))
            for line in differences(*pair, names, f"{where}/{index}")
        ]
    if isinstance(expected, str) and MODEL_ID.fullmatch(expected):
        wrong = names.learn(expected, got)
        return [f"{where}: {got!r} for {expected}: {wrong}"] if wrong else []
    if type(expected) is not type(got) or expected != got:
        return [f"{where}: expected {expected!r}, got {got!r}"]
    return []


def short(items):
    return json.dumps([item.get("id", "?") if isinstance(item, dict) else item
                       for item in items])[:600]


def object_differences(expected, got, names, where):
    wrong = []
    optional = {name[1:]: value for name, value in expected.items() if name.startswith("?")}
    firm = {name: value for name, value in expected.items() if not name.startswith("?")}
    for name, value in firm.items():
        if name in got:
            wrong += differences(value, got[name], names, f"{where}/{name}")
        else:
            wrong.append(f"{where}/{name}: expected {value!r}, but it is left out")
    for name, value in got.items():
        if name in firm or name == "metadata" and value == {}:
            continue
        if optional.get(name) is None:
            wrong.append(f"{where}/{name}: expected to be left out, got {value!r}")
        else:
            wrong += differences(optional[name], value, names, f"{where}/{name}")
    return wrong


def problem_differences(expected, got, where):
    wrong = []
    for name in ("code", "status", "operation", "replayed"):
        if expected.get(name) != got.get(name):
            wrong.append(f"{where}/{name}: expected {expected.get(name)!r}, got {got.get(name)!r}")
    if not got.get("detail"):
        wrong.append(f"{where}/detail: a problem must say what is wrong")
    said = json.dumps(got)
    for error in expected.get("errors", []):
        if error["pointer"].startswith(
                "/") and error["pointer"][1:2].islower() and error["pointer"] not in said:
            wrong.append(f"{where}: no pointer {error['pointer']}")
    return wrong
