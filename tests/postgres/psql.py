# SPDX-License-Identifier: MIT
"""Somebody's psql that has forgotten its transaction, and who waits for it."""

import os
import subprocess


class Psql:
    """Runs a statement in a transaction and stays in it until `end`.

    With `waits` it returns once the statement is done, otherwise as soon as it is sent.
    """
    def __init__(self, cluster, database, statement, waits=True):
        self.process = subprocess.Popen(
            [*cluster.user, os.path.join(cluster.bin, "psql"), "-X", "-q", "-A", "-t",
             "-v", "ON_ERROR_STOP=1", "-d", cluster.url(database)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=cluster.home)
        self.process.stdin.write(f"BEGIN; {statement};\n\\echo locked\n")
        self.process.stdin.flush()
        if waits:
            self.locked()

    def locked(self):
        line = "1"
        while line.strip() != "locked":
            line = self.process.stdout.readline()
            assert line != "", "psql has ended"

    def end(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


def waiting(cluster, database, condition):
    """How many sessions of the database wait for a lock, of those that the condition means."""
    return int(cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                           f"AND datname = current_database() AND {condition}", database))
