#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every suite, shows what it says, and adds the results up.

    tools/run_suites.py RELEASE_FOLDER SANITIZED_FOLDER [PART_OF_A_NAME...]

As many suites run side by side as there are processors, three at most (FLORIN_SUITES_AT_ONCE sets
another number), because most of them wait for processes and clocks. What one says is shown when it
has ended. Those of ALONE have the machine to themselves at the end, and are shown while they run.
What failed is told once more at the end, where nobody has to look for it.

Suites are the unit tests of both build folders, tools/tidy.py, and each executable script
tests/suites/*.sh or *.py in the order of their names. A script ends with a line
`N passed, N failed`, which may go on with `, N skipped`; one that ends without it, or fails in
spite of it, has failed.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLOSING_LINE = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")
UNIT_TEST_SECONDS_MAX = 600
SUITE_SECONDS_MAX = 3600
AT_ONCE_MAX = 3
FAILURE_LINES_MAX = 6
FAILED_SUITE_LINES_MAX = 18
LINE_SHOWN_MAX = 300

# Beginnings of names: suites that measure spans, or build the binary that all others run.
ALONE = ("24-", "43-", "44-", "50-", "76-")


class Result:
    """How many tests passed, failed and were skipped."""

    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed = passed
        self.failed = failed
        self.skipped = skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def say(text):
    print(text, flush=True)


def run_unit_program(test, environment, say):
    """One cmocka program; its TAP lines are counted, and a crash counts as one more failure."""
    environment = dict(environment, CMOCKA_MESSAGE_OUTPUT="TAP", **test.get("env", {}))
    try:
        done = subprocess.run(test["cmd"], cwd=test.get("workdir") or ROOT, env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
                              timeout=UNIT_TEST_SECONDS_MAX, check=False)
        output, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace")
        code = f"no end after {UNIT_TEST_SECONDS_MAX} s"
    result = Result()
    for line in output.splitlines():
        if re.match(r"^(not )?ok \d.*# SKIP", line):
            result.skipped += 1
        elif re.match(r"^ok \d", line):
            result.passed += 1
        elif re.match(r"^not ok \d", line):
            result.failed += 1
    if code != 0 and result.failed == 0:
        result.failed = 1
    if result.failed != 0:
        say(f"-- {test['name']} (exit: {code})")
        say("\n".join(output.splitlines()[-60:]))
    if result.passed + result.failed + result.skipped == 0:
        say(f"-- {test['name']} ran no test at all")
        result.failed = 1
    return result


def run_unit_tests(folder, say=say):
    listed = subprocess.run(["meson", "introspect", "--tests", str(folder)], cwd=ROOT, check=True,
                            stdout=subprocess.PIPE, text=True).stdout
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=1",
                       UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
    sum_of_programs = Result()
    for test in sorted(json.loads(listed), key=lambda test: test["name"]):
        began = time.monotonic()
        result = run_unit_program(test, environment, say)
        sum_of_programs.add(result)
        say(f"   {test['name']}: {result.passed} passed, {result.failed} failed"
            f" ({time.monotonic() - began:.1f} s)")
    return sum_of_programs


def run_script(command, environment, say):
    """Shows the script's output and reads the result from its last line."""
    child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, errors="replace")
    # A suite that hangs must not hang everything.
    watchdog = threading.Timer(SUITE_SECONDS_MAX, child.kill)
    watchdog.start()
    last_line = ""
    for line in child.stdout:
        say("   " + line.rstrip("\n"))
        last_line = line.strip() or last_line
    code = child.wait()
    watchdog.cancel()
    closing = CLOSING_LINE.match(last_line)
    if closing is None:
        say(f"   ended without a closing line (exit: {code})")
        return Result(failed=1)
    result = Result(*(int(number or 0) for number in closing.groups()))
    if code != 0 and result.failed == 0:
        say(f"   nothing failed, but the exit code is {code}")
        result.failed = 1
    return result


def suites_of(release, sanitized):
    """Name and action of each suite, in the order in which they run."""
    environment = dict(os.environ, FLORIN=str(release / "src/programs/florin"),
                       FLORIN_SANITIZED=str(sanitized / "src/programs/florin"))
    if (ROOT / "build/florin").exists():
        environment["FLORIN"] = str(ROOT / "build/florin")
    yield "unit tests, release", lambda say: run_unit_tests(release, say)
    yield "unit tests, sanitized", lambda say: run_unit_tests(sanitized, say)
    yield "tidy", lambda say: run_script([sys.executable, "tools/tidy.py"], environment, say)
    for path in sorted((ROOT / "tests/suites").glob("*")):
        if path.suffix in (".sh", ".py") and os.access(path, os.X_OK):
            yield path.stem, lambda say, path=path: run_script([str(path)], environment, say)


def run_suite(name, run, told):
    """Runs one and returns its result, its line of the summary, and the end of what it said of
    its failures."""
    told(f"== {name}")
    lines = []

    def tell(line):
        lines.append(line)
        told(line)
    began = time.monotonic()
    result = run(tell)
    line = f"   {name}: {result} ({time.monotonic() - began:.0f} s)"
    told(line)
    return result, line, failures(lines) if result.failed else []


def failures(lines):
    """What a failed suite said from each failure on, shortened; of one that died its last words."""
    shown, shown_to = [], 0
    for number, line in enumerate(lines):
        if re.match(r"^\s*(FAILED|not ok|-- )", line):
            end = number + FAILURE_LINES_MAX
            shown += lines[max(number, shown_to):end]
            shown_to = end
    return [line[:LINE_SHOWN_MAX] for line in (shown or lines)[-FAILED_SUITE_LINES_MAX:]]


def run_aside(name, run):
    """The same, shown when it has ended."""
    lines = []
    say(f"   ({name} begins)")
    try:
        return run_suite(name, run, lines.append)
    finally:
        say("\n".join(lines))


def at_once():
    wanted = os.environ.get("FLORIN_SUITES_AT_ONCE", "")
    return int(wanted) if wanted.isdigit() and wanted != "0" else min(os.cpu_count(), AT_ONCE_MAX)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    suites = list(suites_of(*(pathlib.Path(folder).resolve() for folder in sys.argv[1:3])))
    parts = sys.argv[3:]
    if parts:
        suites = [suite for suite in suites if any(part in suite[0] for part in parts)]
    results = {}
    with concurrent.futures.ThreadPoolExecutor(at_once()) as pool:
        futures = {name: pool.submit(run_aside, name, run) for name, run in suites
                   if not name.startswith(ALONE)}
    for name, run in suites:
        results[name] = futures[name].result() if name in futures else run_suite(name, run, say)
    total = Result()
    for result, _, _ in results.values():
        total.add(result)
    say("== results")
    say("\n".join(line for _, line, _ in results.values()))
    for result, line, wrong in results.values():
        if result.failed:
            say("\n".join([f"== failed:{line[2:]}", *wrong]))
    say(str(total))
    sys.exit(1 if total.failed != 0 else 0)


if __name__ == "__main__":
    main()
