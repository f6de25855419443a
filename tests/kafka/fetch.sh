#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetches the test broker's jars with Maven, once, and prints the folder where they are:
# `tests/kafka/fetch.sh`. It says why when it cannot, and ends with 1.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n '/kafka_2.13/{n;s/.*<version>\(.*\)<.*/\1/p}' "$here/pom.xml")
folder=${FLORIN_KAFKA_JARS:-${XDG_CACHE_HOME:-$HOME/.cache}/florin-kafka}/$version

if [ ! -f "$folder/complete" ]; then
    for tool in mvn java; do
        command -v $tool >/dev/null || { echo "$tool is not installed" >&2; exit 1; }
    done
    rm -rf "$folder.new.$$"
    mkdir -p "$folder.new.$$"
    if ! mvn --batch-mode --quiet --file "$here/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$folder.new.$$" >"$folder.new.$$/log" 2>&1; then
        echo "Maven could not fetch the broker: $(grep -m 1 ERROR "$folder.new.$$/log")" >&2
        rm -rf "$folder.new.$$"
        exit 1
    fi
    touch "$folder.new.$$/complete"
    rm -rf "$folder"
    mv "$folder.new.$$" "$folder"
fi
echo "$folder"
