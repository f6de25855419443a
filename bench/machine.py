# SPDX-License-Identifier: MIT
"""What the figures depend on: the machine, its disk, the versions, the revision. And processes:
started on a core, stopped, asked for their memory."""

import contextlib
import ctypes
import http.client
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "release")
TUNED = os.path.join(ROOT, "build", "tuned")
# What `make bench` measures; the load generators are the usual ones.
BINARY = os.path.join(TUNED if os.path.exists(os.path.join(TUNED, "trained")) else BUILD,
                      "src", "programs", "florin")
CORES = sorted(os.sched_getaffinity(0))
PINS = len(CORES) >= 2
SERVER_CORES = CORES[:1] if PINS else CORES
LOAD_CORES = CORES[1:2] if PINS else CORES


def output_of(*words):
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    except OSError:
        return ""
    return done.stdout.strip()


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def sync_cost_us(folder, count=400):
    """Median of writing 4 KiB into a pre-written file and syncing it."""
    path = os.path.join(folder, "sync-cost")
    block = memoryview(bytearray(4096))
    with open(path, "wb") as file:
        file.write(bytes(4096 * count))
        file.flush()
        os.fsync(file.fileno())
    descriptor = os.open(path, os.O_WRONLY)
    spans = []
    for at in range(count):
        begun = time.perf_counter_ns()
        os.pwrite(descriptor, block, at * 4096)
        os.fdatasync(descriptor)
        spans.append((time.perf_counter_ns() - begun) / 1000)
    os.close(descriptor)
    os.remove(path)
    return statistics.median(spans)


def conditions(folder):
    """A list of (name, text)."""
    revision = output_of("git", "describe", "--always", "--dirty", "--abbrev=10") or "not in git"
    system = output_of("sh", "-c", ". /etc/os-release; echo $PRETTY_NAME")
    disk = output_of("findmnt", "-no", "FSTYPE,SOURCE,OPTIONS", "-T", folder)
    memory_kb = int(output_of("awk", "/MemTotal/ {print $2}", "/proc/meminfo") or 0)
    with open("/proc/loadavg", encoding="utf-8") as file:
        load = file.read().split()[0]
    libraries = []
    for name in ("libmicrohttpd", "simdjson", "libcrypto", "libisal", "libxxhash"):
        libraries.append(f"{name} {output_of('pkg-config', '--modversion', name) or '?'}")
    return [
        ("processor", f"{cpu_model()}, {len(CORES)} cores, {memory_kb / 1024 / 1024:.0f} GB"),
        ("system", f"{system}, Linux {platform.release()}"),
        ("disk", " ".join(disk.split())),
        ("one sync", f"{sync_cost_us(folder):.0f} µs (4 KiB into a pre-written file, median)"),
        ("load before", f"{load} (anything above 0.3 makes the figures worth little)"),
        ("compiler", output_of("gcc", "--version").split("\n")[0]),
        ("build", "tuned (make build-tuned)" if BINARY.startswith(TUNED) else "release"),
        ("libraries", ", ".join(libraries)),
        ("revision", revision),
    ]


def _processor_ticks(pid):
    """Its own, and of those of its children that have ended; and whose child it is."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        words = file.read().rpartition(")")[2].split()
    return sum(int(word) for word in words[11:15]), int(words[1])


class Others:
    """Which share of all processors those had that this program has not started."""

    def __init__(self):
        self.before = self.look()

    def look(self):
        """All ticks, the idle ones, and those of this program and its descendants."""
        with open("/proc/stat", encoding="utf-8") as file:
            every = [int(word) for word in file.readline().split()[1:9]]
        ticks, parents = {}, {}
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError, ValueError):
                ticks[int(name)], parents[int(name)] = _processor_ticks(int(name))
        own = 0
        for pid, spent in ticks.items():
            ancestor = pid
            while ancestor not in (0, os.getpid()):
                ancestor = parents.get(ancestor, 0)
            own += spent if ancestor else 0
        return sum(every), every[3] + every[4], own

    def share(self):
        every, idle, own = (now - then for now, then in zip(self.look(), self.before))
        return max(0, every - idle - own) / max(every, 1)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pin(process, cores):
    """Moves a process and all its threads."""
    for task in os.listdir(f"/proc/{process.pid}/task"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task), cores)


def start(words, cores, **options):
    """A process on those cores, which dies with this one."""

    def prepare():
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        os.sched_setaffinity(0, cores)

    return subprocess.Popen(words, preexec_fn=prepare, stdin=subprocess.DEVNULL, **options)


def memory_bytes(process):
    """What the process holds for itself; pages of files, which the kernel may take back, do not
    count."""
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


class Limit:
    """One of the limit programs."""

    def __init__(self, name, folder):
        self.port = free_port()
        words = [os.path.join(BUILD, "bench", name), "--listen", self.address]
        if name == "limit_durable":
            words += ["--file", os.path.join(folder, "limit_durable.file")]
        self.process = start(words, SERVER_CORES, stdout=subprocess.PIPE)
        if b"listening" not in self.process.stdout.readline():
            raise SystemExit(f"{name} did not start")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Florin:
    """A server under test with its data folder."""

    binary = BINARY

    def __init__(self, data, cores):
        self.data = data
        self.cores = cores
        self.port = free_port()
        self.process = None
        self.connection = None
        self.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def words(self):
        return [self.binary, "serve", "--data", self.data, "--listen", self.address]

    def start(self):
        """Starts and returns the seconds until it was ready."""
        begun = time.monotonic()
        words = self.words()
        with open(self.data + ".log", "ab") as log:
            self.process = start(words, self.cores, stdout=log, stderr=log)
        while True:
            if self.process.poll() is not None:
                raise SystemExit(f"florin did not start; see {self.data}.log")
            try:
                status, _ = self.ask("GET", "/readyz")
                if status == 200:
                    return time.monotonic() - begun
            except OSError:
                self.connection = None
            time.sleep(0.005)

    def ask(self, method, path, document=None):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        headers = {}
        body = None
        if path.startswith(("/v1", "/check")):
            headers["Authorization"] = f"Bearer {self.key}"
        if document is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(document, separators=(",", ":"))
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            self.connection = None
            raise OSError(str(error)) from None

    @property
    def key(self):
        with open(os.path.join(self.data, "admin.key"), encoding="utf-8") as file:
            return file.read().strip()

    def metrics(self):
        found = {}
        for line in self.ask("GET", "/metrics")[1].decode().splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                found[name] = float(value)
        return found

    def end(self, number):
        """Ends it; returns the seconds that took and the exit status."""
        begun = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait()
        self.connection = None
        return time.monotonic() - begun, status

    def stop(self):
        seconds, status = self.end(signal.SIGTERM)
        if status != 0:
            raise SystemExit(f"florin ended with status {status}; see {self.data}.log")
        return seconds
