#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plays .story files (language.py says what they look like) against a real server, each on fresh
data.

    tests/story/run.py [--florin PATH] [FILE ...]

Every request is one test. A failure shows file and line, the request, what was expected and what
came back, and the story goes on, so that one run shows everything that is wrong. At the end of
every story the books must be consistent, the server must stop with exit status 0, and `florin
verify` must agree where there is one.
"""

import argparse
import contextlib
import glob
import io
import os
import shlex
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import florin  # noqa: E402
from client import Answer, Client, Unreachable  # noqa: E402
from expect import always, one  # noqa: E402
from language import Malformed, REQUEST, fill, fill_bytes, look_up, plain, read_story  # noqa: E402
from report import Report  # noqa: E402
from schema import Description  # noqa: E402

AT_ONCE = 3
STORY_WAIT_S = 90.0  # for an answer: a sanitized server examines all of its books, say


class Failure(Exception):
    """A step did not go as the story says."""


class Story:
    def __init__(self, path, binary, report):
        self.path = path
        self.name = os.path.basename(path)
        self.report = report
        self.server = florin.Server(florin=binary)
        self.variables = {}  # name -> decoded answer
        self.answers = {}  # name -> the whole answer
        self.secrets = {"nobody": None}
        self.role = "admin"
        self.client = None
        self.description = None  # what the server says about itself

    def play(self):
        try:
            steps = read_story(self.path)
            while steps and steps[0].kind == "config":
                self.server.config = steps.pop(0).text
            self.server.start()
            self.read_description()
        except (Malformed, florin.NotStarted) as error:
            self.report.fail(self.name, error)
            return
        try:
            for step in steps:
                self.play_step(step)
            self.finish()
        finally:
            self.server.discard()

    def play_step(self, step):
        try:
            if step.kind == "request":
                self.play_request(step)
                self.report.ok()
            else:
                getattr(self, "step_" + step.kind)(step)
        except Failure as failure:
            self.report.fail(f"{self.name}:{step.line} ({step.title})", failure)
        except (Malformed, florin.NotStarted, Unreachable, AssertionError) as error:
            self.report.fail(f"{self.name}:{step.line} ({step.title})", f"{step.text}\n{error}")
            if isinstance(error, florin.NotStarted):
                self.server.config = None
                self.server.start()

    # Requests.

    def secret(self):
        if self.role not in self.secrets:
            role = self.role.rstrip("0123456789")
            self.secrets[self.role] = self.server.admin_secret if self.role == "admin" \
                else self.server.key(role)["secret"]
        return self.secrets[self.role]

    def connection(self):
        if self.client is None:
            self.client = Client(self.server.port, timeout=STORY_WAIT_S)
        self.client.secret = self.secret()
        return self.client

    def disconnect(self):
        if self.client is not None:
            self.client.close()
        self.client = None

    def play_request(self, step):
        name, method, target, body = REQUEST.match(step.text).groups()
        target = fill(target, self.variables, plain)
        body = None if body is None else fill_bytes(body, self.variables)
        headers, expected, patience = {}, [], 0.0
        for number, text in step.expected:
            if text.startswith("> "):
                header, _, value = fill(text[2:], self.variables, plain).partition(":")
                headers[header.strip()] = value.strip()
            elif text.startswith("within "):
                patience = float(text.split()[1])
            else:
                expected.append((number, text))
        deadline = time.monotonic() + patience
        while True:
            answer = self.send(method, target, body, headers)
            wrong = self.judge(answer, target, expected)
            if method != "LIST":
                wrong += self.description.wrong(method, target, body, answer)
            if not wrong or time.monotonic() >= deadline:
                break
            time.sleep(0.02)
        if name and answer.json is not None:
            self.variables[name] = answer.json
        if name:
            self.answers[name] = answer
        if wrong:
            sent = " ".join([method, target] +
                            [f"[{name}: {value}]" for name, value in headers.items()])
            shown = (body or b"")[:600].decode("utf-8", "replace")
            raise Failure("\n".join([f"{sent} {shown}".rstrip(), *wrong, f"got: {answer!r:.1500}"]))

    def send(self, method, target, body, headers):
        client = self.connection()
        if method != "LIST":
            return client.request(method, target, body, headers)
        items, answer, seen = [], None, 0
        cursor = ""
        while answer is None or cursor:
            join = "&" if "?" in target else "?"
            answer = client.get(target + (f"{join}cursor={cursor}" if cursor else ""),
                                headers=headers)
            if answer.status != 200 or "items" not in answer.json:
                return answer
            items += answer["items"]
            cursor = answer.get("next_cursor")
            seen += 1
            if seen > 10_000:
                raise Failure(f"LIST {target}: the pages never end")
        whole = Answer(200, answer.headers, answer.body)
        whole._json = {"items": items, "pages": seen}
        return whole

    def judge(self, answer, target, expected):
        wrong = always(answer, target)
        replayed = any(text == "replayed" for _, text in expected)
        either = any(text == "maybe replayed" for _, text in expected)
        if replayed != answer.replayed and not either:
            wrong.append(f"Idempotent-Replayed: expected {replayed}, got {answer.replayed}")
        if not any(text[0].isdigit()
                   for _, text in expected) and not any(t.startswith("same") for _, t in expected):
            raise Malformed("a request without an expected status")
        for _, text in expected:
            wrong += one(text, answer, self.variables, self.answers)
        return wrong

    # Other steps.

    def step_as(self, step):
        if step.text.startswith("key "):
            secret = fill(step.text[4:], self.variables, plain).strip()
            self.role = "key " + secret
            self.secrets[self.role] = secret
        else:
            self.role = step.text

    def read_description(self):
        """Again after each start, since it names the currencies of the configuration."""
        with Client(self.server.port, timeout=STORY_WAIT_S) as client:
            self.description = Description(client.get("/openapi.json").json)

    def step_restart(self, _):
        self.disconnect()
        self.server.restart()
        self.read_description()

    def step_kill(self, _):
        self.disconnect()
        self.server.crash()
        self.read_description()

    def step_refuses(self, step):
        self.disconnect()
        if self.server.process is not None and self.server.process.poll() is None:
            self.server.stop()
        refused = self.server.refused()
        if refused is None:
            raise Failure("the server started, though it should refuse to")
        status, said = refused
        missing = [word for word in shlex.split(step.text) if word.lower() not in said.lower()]
        if missing or status == 0:
            raise Failure(f"refused with status {status}; it does not say {missing}:\n{said}")
        self.report.ok()

    def step_config(self, step):
        self.server.config = step.text

    def step_wait(self, step):
        time.sleep(float(step.text))

    def step_wallet(self, step):
        name, *pairs = step.text.split()
        expected = dict(zip(pairs[::2], pairs[1::2]))
        id_ = look_up(self.variables, name)["id"]
        answer = self.connection().get(f"/v1/wallets/{id_}")
        got = {field: str(answer.get(field)) for field in expected}
        if answer.status != 200 or got != expected:
            raise Failure(f"wallet {name}: expected {expected}\ngot: {answer!r}")
        self.report.ok()

    # The end.

    def finish(self):
        if self.server.process is None or self.server.process.poll() is not None:
            self.report.fail(self.name,
                             "the server is gone at the end:\n" + self.server.log()[-2000:])
            return
        problem = florin.integrity_problem(self.connection().get("/check-integrity?depth=full"))
        self.disconnect()
        self.report.check(f"{self.name}: books", problem is None, problem)
        status = self.server.stop()
        self.report.equal(f"{self.name}: exit status on SIGTERM", status, 0,
                          self.server.log()[-2000:])
        self.report.check(f"{self.name}: log", not self.server.trouble(),
                          lambda: self.server.log()[-6000:])
        verified = self.server.verify()
        self.report.check(f"{self.name}: verify", verified.returncode == 0,
                          verified.stdout + verified.stderr)


def play_one(suite, binary, path):
    """One story in a process of its own; its report and what it printed."""
    printed = io.StringIO()
    report = Report(suite)
    began = time.monotonic()
    with contextlib.redirect_stdout(printed):
        try:
            Story(path, binary, report).play()
        except Exception:  # it is this story's failure, and the others shall still be told
            report.fail(os.path.basename(path), traceback.format_exc())
        if not report.failed:
            print(f"{suite}: {os.path.basename(path)} ({time.monotonic() - began:.1f} s)")
    return report, printed.getvalue()


def play_in(total, binary, paths=None):
    """All stories, or those, a few at a time, because most of their time is waiting."""
    paths = paths or sorted(glob.glob(os.path.join(HERE, "*.story")))
    with ProcessPoolExecutor(AT_ONCE) as pool:
        for job in [pool.submit(play_one, total.suite, binary, path) for path in paths]:
            report, printed = job.result()
            print(printed, end="", flush=True)
            total.ok(report.passed)
            total.failed += report.failed


def play_all(suite, binary, paths=None):
    total = Report(suite)
    play_in(total, binary, paths)
    total.finish()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--florin", help="the binary, or tests/model/serve.py")
    parser.add_argument("files", nargs="*")
    given = parser.parse_args()
    play_all("story",
             os.path.abspath(given.florin) if given.florin else florin.binary(), given.files)
