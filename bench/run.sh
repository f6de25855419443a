#!/bin/sh
# SPDX-License-Identifier: MIT
# Measures Florin on this machine and prints the figures with their conditions; fails when the books
# are not right afterwards. `bench/run.sh --quick` takes a minute, `--full` adds a restart with a
# million wallets and ten million transactions. See bench/README.md.
set -eu

cd "$(dirname "$0")/.."
tools/build.sh release src/programs/florin bench/limit_constant bench/limit_durable \
    bench/single_load bench/batch_load
[ ! -f build/tuned/trained ] || tools/build.sh tuned
exec python3 bench/bench.py "$@"
