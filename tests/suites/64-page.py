#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The operator's page in headless Chromium, against a real server with a small shop in its books.
With PICTURES=FOLDER the screenshots of the documentation are made anew."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "web"))

import page  # noqa: E402

page.run()
