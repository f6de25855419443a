# SPDX-License-Identifier: MIT
"""One move of books to the other engine, looked at from all sides, and movers that are broken off
at a certain statement."""

import os

import florin
import moving
from psql import waiting
from wait import within


def move(report, when, server, place, is_still=True):
    """Moves a stopped server's books to a URL or a folder; it serves them there from then on.
    `is_still`: no hold ends meanwhile, which whoever opens the books to hash them would write
    down."""
    hash_before = server.state_hash() if is_still else ""
    old = moving.Server(florin=server.florin, config=server.config, data=server.data)
    old.url = server.url
    target = moving.to_folder(place) if server.url else moving.to_postgres(place)
    done = moving.move(server, target)
    if not report.equal(f"{when}: moves", done.returncode, 0, done.stdout + done.stderr):
        raise AssertionError(when)
    report.check(f"{when}: says the hash", hash_before in done.stdout, done.stdout)
    refused = old.refused()
    report.check(f"{when}: nobody serves the old books", refused is not None and
                 "have moved to" in refused[1], refused)
    if server.url:
        server.new_folder(place)
    else:
        server.new_place(place)
    verified = server.verify()
    report.equal(f"{when}: verify", verified.returncode, 0, verified.stdout + verified.stderr)
    report.check(f"{when}: verify says where they came from", "goes on from" in verified.stdout,
                 verified.stdout)
    if is_still:
        report.equal(f"{when}: the state hash", server.state_hash(), hash_before)


def folder():
    """A place for books that does not exist yet."""
    return os.path.join(florin.folder(), "data")


def reached(cluster, database, statement):
    """Waits until a session of Florin waits for a lock in a statement like that."""
    assert within(60, lambda: waiting(cluster, database, "application_name LIKE 'florin%' "
                                      f"AND query LIKE '{statement}'")), f"never: {statement}"


def gone(cluster, database):
    """Waits until no session of Florin is left in the database."""
    assert within(60, lambda: cluster.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'florin%' AND "
        "datname = current_database()", database) == "0"), "the mover's sessions never end"
