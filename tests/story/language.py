# SPDX-License-Identifier: MIT
"""Reads a .story file: a line per request, what is expected of its answer indented below it.

    == A customer buys something                      a title; failures name it

    anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
      201 {"balance": 0, "version": 1}                status, and a part of the answer
      fields id owner kind currency                   exactly these fields
      no metadata credit.balance                      these fields are left out

    POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 300}
      > Idempotency-Key: first                        a header of the request
      422 insufficient_funds                          status and code of a problem
      < Retry-After: 1                                a header of the answer (or only its name)
      <! ETag                                         a header that is not there

A request line is `name: METHOD path body`; name and body may be missing, and the body may go on
in further lines indented by four or more spaces. `$anna.id` is a value of an earlier answer (with
its quotes inside JSON, without in a path), `${anna.id}` the bare text anywhere. `$repeat("x",
255)`, `$metadata(33)`, `$list(3, {...})` and `$spaces(9)` make long values, `$bytes("ff 00")`
bytes that are no text. The body is sent as written, valid JSON or not.

LIST is GET that follows next_cursor to the end. Steps that are no request:

    as service           whose key is used from here on: admin, service, auditor, or nobody;
                         a digit behind it makes another key of that role (service2)
    as key $name.secret  the key with that secret
    restart | kill       SIGTERM, or kill -9, and a new start on the same data
    refuses "text"       the server is stopped, and a new start must fail and say the text
    config {...}         the configuration from the next start on; as first step: at once
    wait 1.2             seconds
    wallet anna balance 700 held 0
                         what GET /v1/wallets/$anna.id must show

Expectations beside those above: `pointer /amount` (a problem points there), `says "text"
$anna.id` (the answer contains all of them), `same as name` (status and body bytes of that
answer), `replayed` (Idempotent-Replayed must be there, and nowhere else; `maybe replayed` where
either is right), `ids $a.id $b.id` (of a page's items, in order), `count 3` (of a page's items),
`within 2` (seconds of trying again until all holds). "<any>", "<text>", "<int>", "<time>",
"<wallet id>" and the like stand for values that nobody can know.
"""

import ast
import json
import re

REQUEST = re.compile(
    r"(?:([a-z][a-z0-9_]*):\s+)?(GET|HEAD|LIST|POST|PATCH|PUT|DELETE|OPTIONS)\s+(\S+)"
    r"(?:\s+(.*))?\Z", re.DOTALL)
VARIABLE = re.compile(r"\$\{([a-z][a-z0-9_]*(?:\.\w+)*)\}|\$([a-z][a-z0-9_]*(?:\.\w+)*)")
CALL = re.compile(r"\$(repeat|metadata|list|bytes|spaces)\(")
COMMANDS = {"as", "restart", "kill", "refuses", "config", "wait", "wallet"}


class Malformed(Exception):
    """The story itself is wrong."""


class Step:
    """One step: `kind` is "request" or a command's word, `text` what follows, `expected` lines of
    (number, text)."""
    def __init__(self, line, kind, text, title):
        self.line = line
        self.kind = kind
        self.text = text
        self.title = title
        self.expected = []


def read_story(path):
    """The steps of a file, in order."""
    steps = []
    title = ""
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        indent = len(line) - len(line.lstrip(" "))
        if not stripped or stripped.startswith("#"):
            continue
        if indent == 0:
            if stripped.startswith("=="):
                title = stripped.strip("= ")
                continue
            word, _, rest = stripped.partition(" ")
            if REQUEST.match(stripped):
                steps.append(Step(number, "request", stripped, title))
            elif word in COMMANDS:
                steps.append(Step(number, word, rest, title))
            else:
                raise Malformed(f"{path}:{number}: no such step: {stripped}")
            continue
        if not steps:
            raise Malformed(f"{path}:{number}: nothing to expect this of")
        step = steps[-1]
        if indent >= 4:
            if step.expected:
                where, text = step.expected[-1]
                step.expected[-1] = (where, text + "\n" + stripped)
            else:
                step.text += "\n" + stripped
        else:
            step.expected.append((number, stripped))
    return steps


def look_up(variables, path):
    name, *rest = path.split(".")
    if name not in variables:
        raise Malformed(f"nothing is called ${name}")
    value = variables[name]
    for part in rest:
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            raise Malformed(f"${path}: the answer has no such field") from None
    return value


def matching_bracket(text, start):
    """The index of the bracket that closes the one before `start`; quotes are respected."""
    depth, quoted, index = 1, False, start
    while index < len(text):
        letter = text[index]
        if quoted:
            if letter == "\\":
                index += 1
            quoted = letter != '"'
        elif letter == '"':
            quoted = True
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if depth == 0:
                return index
        index += 1
    raise Malformed("a bracket is not closed")


def call(name, arguments):
    if name == "metadata":
        return json.dumps({f"name{index}": f"value{index}" for index in range(int(arguments))})
    if name == "spaces":
        return " " * int(arguments)
    if name == "bytes":
        # Surrogates carry the bytes through text; `fill_bytes` turns them back.
        return bytes.fromhex(ast.literal_eval(arguments)).decode("utf-8", "surrogateescape")
    if name == "list":
        count, _, item = arguments.partition(",")
        return "[" + ",".join([item.strip()] * int(count)) + "]"
    text, count = ast.literal_eval(f"({arguments})")
    return json.dumps(text * count, ensure_ascii=False)


def fill(text, variables, show):
    """Replaces variables and calls; `show` says how a value that is not in ${} is written."""
    def value(match):
        if match[1]:
            return plain(look_up(variables, match[1]))
        return show(look_up(variables, match[2]))

    filled = ""
    while found := CALL.search(text):
        end = matching_bracket(text, found.end())
        filled += VARIABLE.sub(value, text[:found.start()])
        filled += call(found[1], fill(text[found.end():end], variables, show))
        text = text[end + 1:]
    return filled + VARIABLE.sub(value, text)


def plain(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def in_json(value):
    return json.dumps(value, ensure_ascii=False)


def fill_bytes(text, variables):
    return fill(text, variables, in_json).encode("utf-8", "surrogateescape")
