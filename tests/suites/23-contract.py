#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The API's table, document, metrics, bounds of bodies, and configurations."""

import os
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "story")]

import florin  # noqa: E402
from contract import check_contract  # noqa: E402
from report import Report  # noqa: E402

report = Report("contract")
report.run("the contract", check_contract, florin.binary())
report.finish()
