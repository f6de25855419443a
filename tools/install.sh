#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages that are missing, without a question:
# `tools/install.sh [build] [test]`; for tests also schemathesis, in a folder outside the tree.
# When nothing is missing it asks only dpkg, so it can stand before every build.
set -eu

cd "$(dirname "$0")/.."

for_build="gcc g++ libc6-dev make meson ninja-build pkg-config libmicrohttpd-dev libgnutls28-dev
libhiredis-dev libsimdjson-dev libssl-dev libcurl4-openssl-dev libxxhash-dev libisal-dev
libpq-dev librdkafka-dev libseccomp-dev"
for_test="default-jre-headless libcmocka-dev maven python3 python3-kafka
chromium
curl
iproute2
openssl
python3-venv
redis-server
systemd
pgbouncer
postgresql
prometheus
wrk"

wanted=
[ $# -gt 0 ] || set -- build
for purpose in "$@"; do
    case $purpose in
    build) wanted="$wanted $for_build" ;;
    test) wanted="$wanted $for_test" ;;
    *)
        echo "tools/install.sh: what is '$purpose'? It knows build and test." >&2
        exit 2
        ;;
    esac
done

# The libraries of the operator's page come by npm: the machine's own, or one that pip fetches.
command -v npm >/dev/null && command -v node >/dev/null || wanted="$wanted python3-pip"

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is not a Debian; these packages, or what they are called here, are needed:" $wanted
    exit 0
fi

# dpkg-query fails for packages that it has never heard of, and names all others all the same.
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null || true)
missing=
for package in $wanted; do
    case "
$installed
" in
    *"
installed $package
"*) ;;
    *) missing="$missing $package" ;;
    esac
done
# What comes from elsewhere for the tests; a suite that misses it is skipped and says why.
fetch_others() {
    case " $* " in
    *" test "*) tests/schemathesis/fetch.sh >/dev/null || true ;;
    esac
}

if [ -z "$missing" ]; then
    fetch_others "$@"
    exit 0
fi

as_root=
if [ "$(id -u)" != 0 ]; then
    as_root=sudo
    if ! command -v sudo >/dev/null; then
        echo "These packages are missing, and only root can install them:$missing" >&2
        exit 1
    fi
fi

install_missing() {
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet --no-install-recommends $missing
}

echo "Installing:$missing"
# The lists of packages may be absent or too old; fetching them takes longer than trying.
install_missing || { $as_root apt-get update --quiet && install_missing; }
fetch_others "$@"
