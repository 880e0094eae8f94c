#!/bin/bash
# check.sh - builds Sluice every way it must build and runs every test.
#
#   tools/check.sh            everything
#   tools/check.sh --quick    in under 5 minutes: without the clang build, the fuzzers, the
#                             thread sanitizer and the long end-to-end tests
#
# Run as root: packages are installed (tools/deps.sh), and the end-to-end tests make network
# namespaces of their own.  The last line is `N passed, N failed, N skipped`; the exit status is 0
# only if none failed.  A skip that tests/skips.txt does not list counts as a failure.
# What each step printed is under build/check/logs/, its results under build/check/results/.
set -uo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1

die() { printf 'check.sh: %s\n' "$*" >&2; exit 1; }

quick=false
for arg in "$@"; do
    case $arg in
    --quick) quick=true ;;
    *) sed -n '2,11p' "$0" >&2; exit 2 ;;
    esac
done
[ "$(id -u)" = 0 ] || die "must run as root (packages, network namespaces): sudo tools/check.sh"

# End-to-end tests that --quick leaves out; a new one runs always until it is named here.
long_e2e="test_af_packet test_af_xdp test_demo test_kill test_loss test_postfix test_pressure test_steady test_workers"
# Those that run once more, smaller, on the build with the sanitizers.
sanitize_e2e="test_af_packet test_refuse test_reload"
fuzz_seconds=10
e2e_seconds=1800

out=$top/build/check
results=$out/results
logs=$out/logs
jobs=$(nproc)
rm -rf "$results" "$logs"
mkdir -p "$results" "$logs"
start=$SECONDS

say() { printf '[%4d s] %s\n' $((SECONDS - start)) "$*"; }

# step NAME COMMAND...: a step that is one test: it works or it does not.
step() {
    local name=$1 status=0
    shift
    say "$name"
    "$@" >"$logs/$name.log" 2>&1 </dev/null || status=$?
    if [ $status = 0 ]; then
        echo "ok 1 - $name" >"$results/$name.tap"
    else
        echo "not ok 1 - $name" >"$results/$name.tap"
        tail -n 20 "$logs/$name.log" | sed 's/^/    /'
    fi
    return $status
}

# tap NAME COMMAND...: a program that prints TAP lines.
tap() {
    local name=$1 status=0
    shift
    say "$name"
    "$@" >"$results/$name.tap" 2>"$logs/$name.log" </dev/null || status=$?
    echo "exit: $status" >>"$results/$name.tap"
    [ $status = 0 ] || grep -hE '^(not ok|#|Bail)' "$results/$name.tap" | head -n 40 | sed 's/^/    /'
}

# configure DIR OPTIONS...: makes the build directory, or another where the options are not those
# it was made with.
configure() {
    local dir=$1
    shift
    if [ -f "$dir/build.ninja" ] && { [ "$dir" = build ] || [ "$(cat "$dir/check-options" 2>/dev/null)" = "$*" ]; }; then
        meson setup --reconfigure "$dir" >/dev/null
        return
    fi
    [ "$dir" = build ] || rm -rf "$dir"
    meson setup "$dir" "$top" "$@" || return 1
    echo "$*" >"$dir/check-options"
}

build() { # build DIR OPTIONS...
    configure "$@" && ninja -j "$jobs" -C "$1"
}

# build_some DIR "TARGET..." OPTIONS...
build_some() {
    local dir=$1 targets=$2
    shift 2
    # shellcheck disable=SC2086 # a list of words
    configure "$dir" "$@" && ninja -j "$jobs" -C "$dir" $targets
}

# meson_tests NAME DIR SUITE...: the results of a build's own tests; SLUICE_TEST_SCALE may make
# the longest of them shorter.
meson_tests() {
    local name=$1 dir=$2 suites=()
    shift 2
    for s in "$@"; do
        suites+=(--suite "$s")
    done
    say "$name"
    rm -f "$dir/meson-logs/testlog.json"
    meson test -C "$dir" --no-rebuild --num-processes "$jobs" "${suites[@]}" >"$logs/$name.log" 2>&1 </dev/null ||
        grep -E '^ *[0-9]+/[0-9]+ .*(FAIL|TIMEOUT|ERROR)' "$logs/$name.log" | sed 's/^/    /'
    if [ -f "$dir/meson-logs/testlog.json" ]; then
        cp "$dir/meson-logs/testlog.json" "$results/$name.json"
        cp "$dir/meson-logs/testlog.txt" "$logs/$name.txt"
    else
        echo "not ok 1 - $name: no tests ran" >"$results/$name.tap"
    fi
}

# Each fuzz target for a while, two at a time; what it finds is added to build/check/fuzz/.
fuzz_one() {
    local program=$1 name target status=0
    name=$(basename "$program")
    target=${name#fuzz_}
    mkdir -p "$out/fuzz/$target" "$out/fuzz-crashes"
    "$program" -max_total_time="$fuzz_seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
        -artifact_prefix="$out/fuzz-crashes/$target-" "$out/fuzz/$target" "$top/tests/fuzz/corpus/$target" \
        >"$logs/fuzz-$target.log" 2>&1 </dev/null || status=$?
    if [ $status = 0 ]; then
        echo "ok 1 - $fuzz_seconds s" >"$results/fuzz-$target.tap"
    else
        echo "not ok 1 - see $logs/fuzz-$target.log" >"$results/fuzz-$target.tap"
    fi
}

fuzz_smoke() {
    local program running=0
    say "fuzz, $fuzz_seconds s for each target"
    for program in build/fuzz/tests/fuzz/fuzz_*; do
        [[ -f $program && -x $program ]] || continue
        fuzz_one "$program" &
        running=$((running + 1))
        if [ $running = 2 ]; then
            wait -n
            running=1
        fi
    done
    wait
}

# The rings and what lies on them, with two threads that a race detector watches.
thread_tests() {
    local names
    configure build/thread -Db_sanitize=thread -Db_lundef=false || return 1
    names=$(meson introspect --tests build/thread | /usr/bin/python3 -c '
import json, re, sys
for test in json.load(sys.stdin):
    if re.match(r"test_(base_ring|ipc_|core_)", test["name"]):
        print(test["name"])')
    [ -n "$names" ] || return 1
    # shellcheck disable=SC2086,SC2046 # lists of words
    ninja -j "$jobs" -C build/thread $(printf 'tests/unit/%s ' $names) || return 1
    rm -f build/thread/meson-logs/testlog.json
    # shellcheck disable=SC2086
    meson test -C build/thread --no-rebuild $names || true
    cp build/thread/meson-logs/testlog.json "$results/unit-thread.json"
}

# What the end-to-end tests should have taken away again.  A namespace is named after its test's
# pid, and a home after nothing: what belongs to a process that still runs is somebody else's.
leftovers() {
    local ns pid home
    while read -r ns _; do
        [[ $ns =~ ^sluice-t([0-9]+)[a-z]*$ ]] || continue
        pid=${BASH_REMATCH[1]}
        [ -d "/proc/$pid" ] || grep -qx "$ns" "$out/namespaces-before" || echo "namespace $ns"
    done < <(ip netns list)
    while read -r home; do
        pgrep -f "$home" >/dev/null || echo "$home"
    done < <(find /tmp -maxdepth 1 -name 'sluice-e2e-*' -newer "$out/e2e-began")
    pgrep -af "^$top/build/(sanitize/)?sluice( |-)" | grep -v "$top/build/demo"
    return 0
}

# e2e NAME TEST BUILD SCALE: one end-to-end test.  The homes of its edges are kept until their
# logs have been read: no process may have stopped at a must() or a sanitizer's word.
e2e() {
    local name=$1 test=$2 build=$3 scale=$4 home n=0 words=0
    # Leaks are for the unit tests: a process that ends need not tidy its memory.
    tap "$name" env PYTHONDONTWRITEBYTECODE=1 ASAN_OPTIONS=detect_leaks=0 SLUICE_TEST_KEEP=1 BUILD="$build" SLUICE_TEST_SCALE="$scale" \
        timeout -k 60 "$e2e_seconds" /usr/bin/python3 "tests/e2e/$test.py"
    while read -r home; do
        n=$((n + 1))
        cp "$home/log" "$logs/$name-edge-$n.log" 2>/dev/null || continue
        grep -E ': must: |ERROR: AddressSanitizer|: runtime error: ' "$home/log" >>"$logs/$name.words" &&
            words=$((words + 1))
        rm -rf "$home"
    done < <(sed -n 's|^# kept \(/tmp/sluice-e2e-[^/ ]*\)$|\1|p' "$results/$name.tap" | sort -u)
    if [ $words = 0 ]; then
        rm -f "$logs/$name.words"
    else
        sed 's/^/    /' "$logs/$name.words" | head -n 20
        echo "not ok 1 - no process found a mistake of its own" >"$results/$name-words.tap"
    fi
}

end_to_end() {
    local test name scale=1
    $quick && scale=0.1
    touch "$out/e2e-began"
    ip netns list | awk '{print $1}' >"$out/namespaces-before"
    for test in tests/e2e/test_*.py; do
        name=$(basename "$test" .py)
        if $quick && [[ " $long_e2e " == *" $name "* ]]; then
            continue
        fi
        e2e "e2e-$name" "$name" build $scale
    done
    if ! $quick && [ -x build/sanitize/sluice ]; then
        for name in $sanitize_e2e; do
            e2e "e2e-sanitize-$name" "$name" build/sanitize 0.05
        done
    fi
    if [ -n "$(leftovers | tee "$logs/e2e-leftovers.log")" ]; then
        echo "not ok 1 - nothing is left behind" >"$results/e2e-leftovers.tap"
    else
        echo "ok 1 - nothing is left behind" >"$results/e2e-leftovers.tap"
    fi
}

step deps tools/deps.sh all || die "the machine lacks what the tests need"
tap lint-tidy /usr/bin/python3 tests/lint/tidy.py
tap lint-headers /usr/bin/python3 tests/lint/headers.py

if step build-gcc build build --buildtype=debugoptimized; then
    meson_tests unit-gcc build unit sim fuzz
    gcc_works=true
else
    gcc_works=false
fi
# -O1 and no var-tracking: compiles sooner.  The sanitizers make gcc warn of what cannot be; the
# other builds are strict.
if step build-sanitize build build/sanitize -Db_sanitize=address,undefined -Doptimization=1 -Dwerror=false \
    -Dc_args=-fno-var-tracking; then
    SLUICE_TEST_SCALE=$($quick && echo 0.1 || echo 1) meson_tests unit-sanitize build/sanitize unit sim fuzz
fi
if ! $quick; then
    CC=clang step build-clang build build/clang --buildtype=release &&
        meson_tests unit-clang build/clang unit sim
    fuzz_targets=
    for source in tests/fuzz/fuzz_*.c; do
        [ "$source" = tests/fuzz/fuzz_replay.c ] || fuzz_targets+=" ${source%.c}"
    done
    CC=clang step build-fuzz build_some build/fuzz "$fuzz_targets" -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false &&
        fuzz_smoke
    step build-thread thread_tests
fi
if $gcc_works; then
    end_to_end
fi

say "done; logs are in build/check/logs"
/usr/bin/python3 tools/tally.py "$results" tests/skips.txt
