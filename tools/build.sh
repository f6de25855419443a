#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds one kind of Florin: `tools/build.sh release|tuned|sanitized [TARGET...]`. Without targets
# only the server is built. The release or tuned binary, whichever was asked for last, lies at
# build/florin.
set -eu

cd "$(dirname "$0")/.."
kind=${1:?release, tuned or sanitized}
shift
folder=build/$kind

case $kind in
release)
    set_up() { meson setup "$folder" . -Dbuildtype=release -Db_lto=true; }
    ;;
tuned)
    # A build that counts what is done how often, which becomes one that knows (below).
    set_up() {
        meson setup "$folder" . -Dbuildtype=release -Dwerror=false -Dtests=disabled \
            -Db_pgo=generate
    }
    ;;
sanitized)
    # The first mistake ends the program, so that a test cannot pass over it.
    set_up() {
        meson setup "$folder" . -Dbuildtype=debugoptimized -Db_sanitize=address,undefined \
            -Db_lundef=false -Dslow_checks=true -Dc_args=-fno-sanitize-recover=all \
            -Dcpp_args=-fno-sanitize-recover=all
    }
    ;;
*)
    echo "tools/build.sh: what is '$kind'? It knows release, tuned and sanitized." >&2
    exit 2
    ;;
esac

tools/fetch_web.sh

# A folder whose set-up was interrupted has no build.ninja and is begun again.
if [ ! -f "$folder/build.ninja" ]; then
    rm -rf "$folder"
    mkdir -p build
    set_up >build/setup-$kind.log || { cat build/setup-$kind.log >&2; exit 1; }
fi

# A new folder brings a build file that the last set-up has not seen.
if [ -n "$(find src tests bench -name meson.build -newer "$folder/build.ninja" 2>/dev/null)" ]; then
    meson setup --reconfigure "$folder" . >build/setup-$kind.log ||
        { cat build/setup-$kind.log >&2; exit 1; }
fi

# What was counted once is used by later builds too; what has changed since is built as usual.
if [ "$kind" = tuned ] && [ ! -f "$folder/trained" ]; then
    echo "Building a server that counts what it is busy with..."
    ninja -C "$folder" -j "$(nproc)" --quiet src/programs/florin bench/batch_load \
        bench/single_load bench/naive_serve >build/tuned.log 2>&1 || {
        tail -n 40 build/tuned.log >&2
        exit 1
    }
    echo "Keeping it busy for some seconds..."
    profile=use
    bench/train.py "$folder" || {
        echo "tools/build.sh: it could not be kept busy here; the build will be a usual one." >&2
        profile=off
    }
    lenient="-w -fprofile-partial-training"
    meson configure "$folder" -Db_lto=true -Db_pgo=$profile "-Dc_args=$lenient" \
        "-Dcpp_args=$lenient" >>build/tuned.log
    touch "$folder/trained"
    echo "Building the server that knows..."
fi

[ $# -gt 0 ] || set -- src/programs/florin
ninja -C "$folder" -j "$(nproc)" --quiet "$@"
if [ "$kind" != sanitized ] && [ -f "$folder/src/programs/florin" ]; then
    # A link and a rename: a running server keeps its file, and there is never half a binary.
    if ! [ "$folder/src/programs/florin" -ef build/florin ]; then
        ln -f "$folder/src/programs/florin" build/florin.new
        mv -f build/florin.new build/florin
    fi
fi
