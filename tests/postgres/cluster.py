# SPDX-License-Identifier: MIT
"""A real PostgreSQL for the tests: a fresh cluster in a temporary folder, on a unix socket only,
with fsync on, gone when the test ends. PostgreSQL refuses to run as root, so root runs it as the
user that Debian made for it."""

import atexit
import ctypes
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

SETTINGS = """
listen_addresses = ''
fsync = on
full_page_writes = on
synchronous_commit = on
max_connections = 200
shared_buffers = 128MB
max_wal_size = 1GB
log_min_messages = warning
deadlock_timeout = 200ms
recovery_init_sync_method = syncfs
"""
# The last: behind a crash a server syncs each of its files before it recovers anything. Of some
# databases these are five thousand: ten seconds on a busy disk, and half of one with syncfs.


def programs():
    """The folder with initdb and postgres of version 15 or newer, or None."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[4]))
    fitting = [path for path in found if int(path.split("/")[4]) >= 15
               and os.path.exists(os.path.join(path, "postgres"))]
    return fitting[-1] if fitting else None


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGINT, 0, 0, 0)  # PR_SET_PDEATHSIG


WAL_SEGMENT_MB = 1  # so that tests take little disk


class Cluster:
    """A server of its own; with `source` a streaming standby of that one. `data` and `pg_wal` say
    where those folders are to lie, when not in its own temporary one."""
    def __init__(self, source=None, data=None, pg_wal=None):
        self.bin = programs()
        if self.bin is None:
            print("PostgreSQL 15 or newer is not installed")
            print("0 passed, 0 failed, 1 skipped")
            sys.exit(0)
        self.user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        self.home = tempfile.mkdtemp(prefix="florin-pg-")
        os.chmod(self.home, 0o755)
        self.socket = os.path.join(self.home, "s")
        self.data = data or os.path.join(self.home, "data")
        wal = pg_wal or os.path.join(self.home, "pg_wal")
        for path in (self.socket, self.data, wal):
            os.mkdir(path, 0o700)
            os.chmod(path, 0o777 if path == self.socket else 0o700)
            if self.user:
                shutil.chown(path, "postgres")
        self.line = self.socket  # where servers connect to: this, or a proxy in front of it
        self.process = None
        self.environment = {}  # of the server, from its next start on
        self.beside = []
        self.owner = os.getpid()
        self.databases = {}
        atexit.register(self.discard)
        if source is None:
            self.run("initdb", "-D", self.data, "-U", "florin", "-A", "trust", "--no-sync",
                     "-E", "UTF8", "--locale=C", "--waldir", wal, "--wal-segsize",
                     str(WAL_SEGMENT_MB))
            self.configure(SETTINGS)
        else:
            self.copy(source)
        self.start()

    def configure(self, text):
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="utf-8") as file:
            file.write(text + f"unix_socket_directories = '{self.socket}'\n")

    def copy(self, source):
        """Becomes a standby, made anew from a running server. `self` must be stopped."""
        shutil.rmtree(self.data)
        os.mkdir(self.data, 0o700)
        if self.user:
            shutil.chown(self.data, "postgres")
        self.databases = source.databases
        self.run("pg_basebackup", "-D", self.data, "-h", source.socket, "-U", "florin", "-R",
                 "-X", "stream", "-c", "fast", "--no-sync")
        self.configure("")

    def stop(self, number=signal.SIGINT):
        """SIGINT: the fast way. SIGKILL: a crash."""
        os.kill(self.postmaster(), number)
        self.process.wait(180)
        if number == signal.SIGKILL:
            time.sleep(0.2)  # its backends notice and end

    def processes(self):
        """The server and all that it has started, first the one that starts others."""
        first = self.postmaster()
        found = [first]
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path, encoding="utf-8") as file:
                    words = file.read().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            if int(words[1]) == first:
                found.append(int(path.split("/")[2]))
        return found

    def freeze(self):
        """From here on it hangs: whoever asks it waits."""
        os.kill(self.postmaster(), signal.SIGSTOP)
        self.signal_all(signal.SIGSTOP)

    def thaw(self):
        self.signal_all(signal.SIGCONT)
        self.process.send_signal(signal.SIGCONT)  # runuser stops with whom it runs

    def signal_all(self, number):
        for process in reversed(self.processes()):
            try:
                os.kill(process, number)
            except ProcessLookupError:
                pass

    def promote(self):
        self.sql("SELECT pg_promote(true, 60)", "postgres")

    def setting(self, name, value):
        self.sql(f"ALTER SYSTEM SET {name} = '{value}'", "postgres")
        self.sql("SELECT pg_reload_conf()", "postgres")

    def run(self, program, *words):
        done = subprocess.run([*self.user, os.path.join(self.bin, program), *words],
                              capture_output=True, text=True, cwd=self.home, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def launch(self):
        in_main_thread = threading.current_thread() is threading.main_thread()
        with open(os.path.join(self.home, "server.log"), "ab") as log:
            self.process = subprocess.Popen(
                [*self.user, os.path.join(self.bin, "postgres"), "-D", self.data],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home,
                env=dict(os.environ, **self.environment),
                preexec_fn=_die_with_parent if in_main_thread else None)

    def start(self):
        self.launch()
        deadline = time.monotonic() + 180
        while True:
            try:
                self.sql("SELECT 1", "postgres")
                return
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
            if self.process.poll() is not None:
                self.launch()  # backends of a killed server still had its memory
            time.sleep(0.05)

    def postmaster(self):
        with open(os.path.join(self.data, "postmaster.pid"), encoding="utf-8") as file:
            return int(file.readline())

    def crash(self):
        """kill -9 of the whole server, and a new start."""
        os.kill(self.postmaster(), signal.SIGKILL)
        self.process.wait()
        time.sleep(0.2)  # its backends notice and end
        self.start()

    def url(self, database):
        return f"host={self.socket} user=florin dbname={database}"

    def sql(self, text, database):
        """Waits while the server recovers."""
        deadline = time.monotonic() + 90
        while True:
            try:
                return self.run("psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d",
                                self.url(database), "-c", text).strip()
            except RuntimeError as error:
                recovers = "the database system is" in str(error)
                if not recovers or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def database_for(self, key):
        """The database of that name of a data folder, made when it is new."""
        if key not in self.databases:
            # Stories play in processes of their own.
            name = f"books_{os.getpid()}_{len(self.databases)}"
            self.sql(f"CREATE DATABASE {name}", "postgres")
            self.databases[key] = name
        return self.databases[key]

    def discard(self):
        if os.getpid() != self.owner:
            return
        if self.process is not None and self.process.poll() is None:
            try:
                self.thaw()
                os.kill(self.postmaster(), signal.SIGQUIT)
                self.process.wait(20)
            except (OSError, ValueError, subprocess.TimeoutExpired):
                self.process.kill()
        shutil.rmtree(self.home, ignore_errors=True)


def serve_from(cluster):
    """From now on servers of tests/lib/florin.py keep their books in databases of the cluster, or
    of the clusters that it is `beside`: what their hosts are called in one connection string."""
    import florin  # pylint: disable=import-outside-toplevel
    usual = getattr(florin.Server, "usual_command", florin.Server.command)

    def command(server):
        name = cluster.database_for(server.data)
        hosts = ",".join([cluster.line] + [other.line for other in cluster.beside])
        url = cluster.url(name).replace(cluster.socket, hosts)
        return usual(server) + ["--postgres", url]

    def verify(server):
        url = cluster.url(cluster.database_for(server.data))
        return server.command_line("verify", "--postgres", url)

    florin.Server.usual_command = usual
    florin.Server.command = command
    florin.Server.verify = verify


def always_with(**settings):
    """From now on servers of tests/lib/florin.py have these settings, whatever else theirs say."""
    import florin  # pylint: disable=import-outside-toplevel
    usual = florin.Server.command

    def command(server):
        kept = server.config
        try:
            given = json.loads(kept) if isinstance(kept, str) else dict(kept or {})
            server.config = {**given, **settings}
        except ValueError:
            pass  # it is to be refused
        try:
            return usual(server)
        finally:
            server.config = kept

    florin.Server.command = command
