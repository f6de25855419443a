# SPDX-License-Identifier: MIT
"""Counts what passed, failed and was skipped, and says it in the one line that `make test` reads.

Only failures are printed in full while a suite runs, because what passed needs no reader. The
last line is always `N passed, N failed` with `, N skipped` behind it when something was skipped.
"""

import sys
import traceback


class Report:
    def __init__(self, suite):
        self.suite = suite
        self.passed = 0
        self.failed = 0
        self.skipped = 0

    def ok(self, count=1):
        self.passed += count

    def fail(self, name, detail=""):
        self.failed += 1
        print(f"FAILED {self.suite}: {name}")
        for line in str(detail).splitlines():
            print(f"    {line}")
        sys.stdout.flush()

    def skip(self, name, reason):
        self.skipped += 1
        print(f"skipped {self.suite}: {name}: {reason}")

    def check(self, name, condition, detail=""):
        """Counts one assertion; `detail` may be a function, called only when it is needed."""
        if condition:
            self.passed += 1
        else:
            self.fail(name, detail() if callable(detail) else detail)
        return bool(condition)

    def equal(self, name, got, expected, context=""):
        return self.check(name, got == expected,
                          lambda: f"expected {expected!r}\ngot      {got!r}\n{context}")

    def run(self, name, function, *arguments):
        """Runs one test function; an exception is a failure of that test and of no other."""
        print(f"{self.suite}: {name}", flush=True)
        try:
            function(self, *arguments)
        except Exception:  # the other tests shall still run
            self.fail(name, traceback.format_exc())

    def finish(self):
        line = f"{self.passed} passed, {self.failed} failed"
        if self.skipped:
            line += f", {self.skipped} skipped"
        print(line)
        sys.stdout.flush()
        raise SystemExit(1 if self.failed else 0)
