# SPDX-License-Identifier: MIT
"""Starts, stops and kills a Florin server in a temporary folder, and small helpers around it.

How a server is started is one parameter: the environment variable FLORIN_SERVE, a command line
with the places {florin}, {data} and {listen}. The same stories, models and crashes run on another
engine by changing only that. Servers never outlive the test: they are killed at exit, and the
kernel kills them when the test itself is killed.
"""

import atexit
import contextlib
import ctypes
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from client import Client, Unreachable
from ports import free_port

SERVE = "{florin} serve --data {data} --listen {listen}"
TROUBLE = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|check failed|CHECK failed",
                     re.IGNORECASE)

_running = []
_folders = []
_filtered = bool(os.environ.get("FLORIN_TEST_SECCOMP"))


def filter_calls():
    """From now on servers run under their seccomp filter. Not sanitized ones: at their end these
    look into themselves with ptrace."""
    global _filtered
    _filtered = True


def binary(sanitized=False):
    """The binary under test, or a clean end of the suite when nobody said where it is."""
    name = "FLORIN_SANITIZED" if sanitized else "FLORIN"
    path = os.environ.get(name)
    if not path:
        here = os.path.dirname(os.path.abspath(__file__))
        path = os.path.join(here, "..", "..", "build", "florin")
        if sanitized or not os.path.exists(path):
            print(f"{name} does not name a binary")
            print("0 passed, 0 failed, 1 skipped")
            raise SystemExit(0)
    return os.path.abspath(path)


def folder():
    """A fresh temporary folder, removed when the test ends (kept when FLORIN_KEEP is set)."""
    path = tempfile.mkdtemp(prefix="florin-test-")
    _folders.append(path)
    return path


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


def forget():
    """What was started and made until now is somebody else's to clean up."""
    _running.clear()
    _folders.clear()


def clean_up():
    for server in list(_running):
        server.kill()
    if not os.environ.get("FLORIN_KEEP"):
        for path in _folders:
            shutil.rmtree(path, ignore_errors=True)


atexit.register(clean_up)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


class NotStarted(Exception):
    """The server ended before it was ready; the text is what it wrote to stderr."""
    def __init__(self, status, text):
        super().__init__(f"the server ended with status {status}:\n{text}")
        self.status = status
        self.text = text


class Server:
    """One data folder and the process that serves it, through any number of restarts."""
    def __init__(self, florin=None, config=None, environment=None, data=None):
        self.florin = florin or binary()
        self.home = folder()
        self.data = data or os.path.join(self.home, "data")
        self.config = config
        self.environment = dict(environment or {})
        self.port = free_port()
        self.process = None
        self.log_path = os.path.join(self.home, "stderr.log")
        self.expect_trouble = False

    def command(self):
        template = os.environ.get("FLORIN_SERVE", SERVE)
        listen = f"127.0.0.1:{self.port}"
        words = [
            word.format(florin=self.florin, data=self.data, listen=listen)
            for word in shlex.split(template)
        ]
        sanitized = os.path.abspath(os.environ.get("FLORIN_SANITIZED") or "-")
        if _filtered and os.path.abspath(self.florin) != sanitized and \
                not self.florin.endswith(".py") and not isinstance(self.config, str):
            self.config = {"seccomp": True, **(self.config or {})}
        if self.config is not None:
            path = os.path.join(self.home, "config.json")
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.config if isinstance(self.config, str) else json.dumps(self.config))
            words += ["--config", path]
        return words

    def launch(self):
        """Starts the process without waiting for anything."""
        environment = dict(os.environ, **self.environment)
        environment.setdefault("ASAN_OPTIONS", "abort_on_error=0:detect_leaks=1")
        environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
        in_main_thread = threading.current_thread() is threading.main_thread()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=environment, cwd=self.home,
                                            preexec_fn=die_with_parent if in_main_thread else None)
        _running.append(self)
        return self

    def start(self, timeout=120.0):
        """Starts the process and waits until /readyz says 200. Raises NotStarted when it ends
        before."""
        log_before = len(self.log())
        self.launch()
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                status = self.process.returncode
                self._gone()
                self.process = None
                raise NotStarted(status, self.log()[log_before:])
            try:
                with Client(self.port, timeout=2.0) as client:
                    if client.get("/readyz").status == 200 and self._is_own(log_before):
                        return self
            except Unreachable:
                pass
            time.sleep(0.01)
        self.kill()
        raise NotStarted("none (not ready in time)", self.log()[log_before:])

    def _is_own(self, log_before):
        """Whether it is this process that answers, and not a server of another suite which took
        the port a moment before; the process ends then."""
        return self.florin.endswith(".py") or \
            f":{self.port} with its books" in self.log()[log_before:]

    def refused(self, timeout=60.0):
        """Starts the process and returns (exit status, what it said) when it refuses to; None
        when it runs."""
        try:
            self.start(timeout)
        except NotStarted as error:
            return error.status, error.text
        return None

    def _gone(self):
        if self in _running:
            _running.remove(self)

    def wait(self, timeout=60.0):
        """Waits for the process to end by itself; its exit status, or None after killing a stuck
        one."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return None
        self._gone()
        return status

    def stop(self, timeout=60.0, number=signal.SIGTERM):
        """Asks for a clean end; returns the exit status (0 is right), None when it had to be
        killed."""
        if self.process is None or self.process.poll() is not None:
            self._gone()
            return self.process.returncode if self.process else 0
        self.process.send_signal(number)
        return self.wait(timeout)

    def kill(self):
        """kill -9, as a power cut of the process."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._gone()

    def discard(self):
        """Kills the process and removes its folder: journals are large."""
        self.kill()
        if not os.environ.get("FLORIN_KEEP"):
            shutil.rmtree(self.home, ignore_errors=True)

    def restart(self):
        status = self.stop()
        if status != 0:
            raise AssertionError(
                f"the server ended with status {status} on SIGTERM:\n{self.log()[-2000:]}")
        return self.start()

    def crash(self):
        self.kill()
        return self.start()

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def trouble(self):
        """Lines of sanitizers and failed checks; a healthy server has none."""
        return [line for line in self.log().splitlines() if TROUBLE.search(line)]

    @property
    def admin_secret(self):
        with open(os.path.join(self.data, "admin.key"), encoding="utf-8") as file:
            return file.read().strip()

    def client(self, secret=None, timeout=20.0):
        return Client(self.port, self.admin_secret if secret is None else secret, timeout)

    def key(self, role, **fields):
        """A new API key of that role; returns its whole answer, with `id` and `secret`."""
        with self.client() as client:
            answer = client.post("/v1/keys", {"name": role, "role": role, **fields})
        if answer.status != 201:
            raise AssertionError(f"POST /v1/keys {role}: {answer!r}")
        return answer.json

    def command_line(self, *words, timeout=240.0, stdin=None, environment=None):
        """Runs `florin WORDS`; the finished process with texts."""
        variables = dict(os.environ, **(environment or {}))
        return subprocess.run([self.florin, *words], capture_output=True, text=True,
                              timeout=timeout, input=stdin, env=variables, cwd=self.home,
                              check=False)

    def verify(self):
        """`florin verify` on the cold data folder; the naive server has none and agrees."""
        if self.florin.endswith(".py"):
            return subprocess.CompletedProcess([self.florin, "verify"], 0, "", "")
        return self.command_line("verify", self.data)


@contextlib.contextmanager
def serving(**options):
    """A started server that is gone when the block ends, however it ends."""
    server = Server(**options)
    try:
        server.start()
        yield server
    finally:
        server.discard()


def integrity_by_currency(document):
    """{currency: object with wallet_balances, deposits, withdrawals, difference} wherever the
    document keeps them: as a list of objects with `currency`, or as an object by currency
    code."""
    wanted = {"wallet_balances", "deposits", "withdrawals", "difference"}
    found = {}

    def walk(value, name):
        if isinstance(value, dict):
            if wanted <= value.keys():
                found[value.get("currency", name)] = value
            for key, inner in value.items():
                walk(inner, key)
        elif isinstance(value, list):
            for inner in value:
                walk(inner, name)

    walk(document, None)
    return found


def integrity_problem(answer):
    """What is wrong with an answer of /check-integrity, or None."""
    if answer.status != 200:
        return f"/check-integrity answered {answer!r}"
    if answer.get("consistent") is not True:
        return f"/check-integrity is not consistent: {answer!r}"
    for currency, sums in integrity_by_currency(answer.json).items():
        if sums["difference"] != 0:
            return f"difference in {currency}: {sums}"
        if sums["wallet_balances"] != sums["deposits"] - sums["withdrawals"]:
            return f"sums of {currency} do not add up: {sums}"
    return None


def wallets_problem(client, most=1000):
    """Proves wallets one by one; what is wrong with the first that is not right."""
    for wallet in client.list("/v1/wallets?limit=1000")[:most]:
        answer = client.get(f"/v1/wallets/{wallet['id']}/integrity")
        if answer.status != 200 or answer["consistent"] is not True:
            return f"{wallet}: {answer!r}"
    return None
