#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The suites of the client, the import and the demo with sanitizers in client and server."""

import importlib.util
import os
import sys

SUITES = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(SUITES, "..", "lib"))

import florin  # noqa: E402
from report import Report  # noqa: E402

os.environ["FLORIN"] = florin.binary(sanitized=True)
os.environ["FLORIN_IMPORT_LINES"] = "20000"  # enough to be cut off, few enough for slow programs


def load(name):
    place = importlib.util.spec_from_file_location(name, os.path.join(SUITES, name + ".py"))
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


if __name__ == "__main__":
    whole = Report("client sanitized")
    for suite in ("60-client", "61-import", "62-demo"):
        load(suite).play_all(whole)
    whole.finish()
