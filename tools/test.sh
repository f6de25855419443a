#!/bin/sh
# SPDX-License-Identifier: MIT
# All tests: `tools/test.sh`, which is what `make test` runs. Ends with the sum of all suites,
# `N passed, N failed, N skipped`, and fails when one of them has.
set -eu

cd "$(dirname "$0")/.."
tools/install.sh build test

for kind in release sanitized; do
    echo "== building: $kind"
    # The tests' library may have come after the folder was set up.
    if [ -f build/$kind/build.ninja ] && ! grep -q tests/unit build/$kind/build.ninja; then
        rm -rf build/$kind
    fi
    tools/build.sh $kind all
done

exec python3 tools/run_suites.py build/release build/sanitized
