#!/bin/sh
# SPDX-License-Identifier: MIT
# Puts the three libraries of the operator's page into build/web/node_modules, in the versions that
# web/package-lock.json names with their checksums. Does nothing when they are there.
set -eu
cd "$(dirname "$0")/.."

mkdir -p build/web
cmp -s web/package-lock.json build/web/fetched.json && exit 0
cp web/package.json web/package-lock.json web/.npmrc build/web/
echo "Fetching the libraries of the operator's page"
# A registry that does not answer at once often does a moment later.
fetch() { (cd build/web && ../../tools/with_node.sh npm ci --ignore-scripts --silent) >&2; }
fetch || { sleep 5; fetch; }
cp build/web/package-lock.json build/web/fetched.json
