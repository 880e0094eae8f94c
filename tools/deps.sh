#!/bin/bash
# deps.sh - the one list of Debian packages, and what else the machine must have.
#
#   tools/deps.sh [all|build|test]
#     build  compilers, libraries, the system user `sluice`
#     test   what the tests run against as well: real clients, real messages
#
# Installs only what is missing, so a second run asks the network nothing.  Peers that must not
# be installed (a mail server would start and want port 25) are unpacked under build/peers/.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
peers=$top/build/peers

die() { printf 'deps.sh: %s\n' "$*" >&2; exit 1; }

build_packages="
    meson ninja-build pkg-config gcc libc6-dev clang libclang-rt-14-dev
    libdpdk-dev dpdk liburcu-dev libssl-dev libjemalloc-dev liburing-dev libyaml-dev
    libjansson-dev libmicrohttpd-dev libcmocka-dev libseccomp-dev libidn2-dev
    ca-certificates iproute2 procps python3"

test_packages="
    swaks curl ethtool iputils-ping strace valgrind tcpdump shellcheck
    libdb5.3 libicu72 libnsl2 libsasl2-2"

# What is unpacked: package, folder, a file that shows it is there.  postfix: smtp-source and
# smtp-sink; the others: real messages.
peer_packages="
    postfix                 postfix       usr/sbin/smtp-source
    spamassassin            spamassassin  usr/share/doc/spamassassin/examples
    libpython3.11-testsuite python        usr/lib/python3.11/test/test_email/data"

what=${1:-all}
case $what in
build) packages=$build_packages ;;
test | all) packages="$build_packages $test_packages" ;;
*) sed -n '2,9p' "$0" >&2; exit 2 ;;
esac

updated=false
apt() { DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@"; }

need_root() {
    [ "$(id -u)" = 0 ] || die "$1: run it as root: sudo tools/deps.sh $what"
}

# Lists of packages, fetched at most once a run.
update() {
    $updated || apt update
    updated=true
}

# Of the packages given, those that are not installed.
missing() {
    local p
    for p in "$@"; do
        case $(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null) in
        ii*) ;;
        *) printf '%s ' "$p" ;;
        esac
    done
}

install_packages() {
    local wanted
    # shellcheck disable=SC2086 # a list of words
    wanted=$(missing $packages)
    [ -n "$wanted" ] || return 0
    need_root "these packages are missing: $wanted"
    update
    # shellcheck disable=SC2086
    apt install -y --no-install-recommends $wanted
}

make_user() {
    getent passwd sluice >/dev/null && return 0
    need_root "there is no system user sluice"
    useradd --system --user-group --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin sluice
}

# unpack PACKAGE FOLDER SIGN: the package's files, in a private root; nothing is configured or run.
unpack() {
    local dir=$peers/$2 work
    [ -e "$dir/$3" ] && return 0
    need_root "package $1 is to be fetched"
    update
    mkdir -p "$peers"
    work=$(mktemp -d "$peers/fetch-XXXXXX")
    (cd "$work" && apt download "$1" 2>"$work/errors") || {
        cat "$work/errors" >&2
        rm -rf "$work"
        die "cannot fetch package $1"
    }
    dpkg -x "$work"/*.deb "$work/root"
    rm -rf "$dir"
    # mktemp made it private; other users' test clients read from it.
    chmod 755 "$work/root"
    mv "$work/root" "$dir"
    rm -rf "$work"
    [ -e "$dir/$3" ] || die "package $1 no longer has $3"
}

install_packages
make_user
if [ "$what" != build ]; then
    while read -r package folder sign; do
        [ -z "$package" ] || unpack "$package" "$folder" "$sign"
    done <<<"$peer_packages"
fi
