#!/bin/sh
# SPDX-License-Identifier: MIT
# Puts schemathesis, in the versions of requirements.txt, into a virtual environment outside the
# tree, once, and prints its program: `tests/schemathesis/fetch.sh`. It says why when it cannot, and
# ends with 1.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mark=$(sha256sum "$here/requirements.txt" | cut -c 1-16)
folder=${FLORIN_SCHEMATHESIS:-${XDG_CACHE_HOME:-$HOME/.cache}/florin-schemathesis}/$mark

if [ ! -f "$folder/complete" ]; then
    # Where it is made it stays: programs of a virtual environment know their folder.
    rm -rf "$folder"
    mkdir -p "$folder"
    if ! { python3 -m venv "$folder" &&
        timeout 300 "$folder/bin/pip" install --quiet --disable-pip-version-check \
            --requirement "$here/requirements.txt"; } >"$folder/log" 2>&1; then
        echo "schemathesis could not be fetched: $(grep . "$folder/log" | tail -n 1)" >&2
        exit 1
    fi
    touch "$folder/complete"
fi
echo "$folder/bin/st"
