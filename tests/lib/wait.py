# SPDX-License-Identifier: MIT
"""Waits for a condition, never for a span of time: a slow machine only takes longer."""

import time


def within(seconds, what):
    """Asks `what` again and again until its answer is true, for at most so many seconds.

    Returns the last answer, so that a failed wait still shows what was there instead.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = what()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(0.05)
