#!/bin/bash
# soak.sh - the long forms of the tests, for as long as asked.
#
#   tools/soak.sh [--minutes N] [--seed S] [sim] [fuzz] [kill]
#     sim    simulations with seeds S, S+1, ... (each failure names its seed)
#     fuzz   every fuzz target in turn, equal shares of the time
#     kill   processes killed under load, round after round, and every message accounted for
#
# Each part named (all three if none is) runs for N minutes, 10 by default.  Run as root, after
# tools/check.sh.  Logs are under build/soak/; what the fuzzers find of interest is kept there and
# used again.  The last line is `N passed, N failed, N skipped`, as check.sh's.
set -uo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1

die() { printf 'soak.sh: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '2,11p' "$0" >&2; exit 2; }

minutes=10 seed=$(date +%s) parts=()
while [ $# -gt 0 ]; do
    case $1 in
    --minutes | --seed)
        [[ ${2:-} =~ ^[1-9][0-9]{0,9}$ ]] || usage
        if [ "$1" = --minutes ]; then minutes=$2; else seed=$2; fi
        shift
        ;;
    sim | fuzz | kill) parts+=("$1") ;;
    *) usage ;;
    esac
    shift
done
[ ${#parts[@]} -gt 0 ] || parts=(sim fuzz kill)
[ "$(id -u)" = 0 ] || die "must run as root: sudo tools/soak.sh"

out=$top/build/soak
results=$out/results
rm -rf "$results" "$out/logs"
mkdir -p "$results" "$out/logs" "$out/corpus" "$out/crashes"
jobs=$(nproc)

say() { printf '[%5d s] %s\n' "$SECONDS" "$*"; }

# build DIR TARGETS OPTIONS...
build() {
    local dir=$1 targets=$2
    shift 2
    [ -f "$dir/build.ninja" ] || meson setup "$dir" "$top" "$@" >"$out/logs/build.log" 2>&1 ||
        die "meson setup $dir failed: $out/logs/build.log"
    meson setup --reconfigure "$dir" >>"$out/logs/build.log" 2>&1
    # shellcheck disable=SC2086 # a list of words
    ninja -j "$jobs" -C "$dir" $targets >>"$out/logs/build.log" 2>&1 ||
        die "the build in $dir failed: $out/logs/build.log"
}

# Programs of tests/sim take --seed, the first, and then --seeds, how many.
soak_sim() {
    local end=$((SECONDS + minutes * 60)) first=$seed step=200 program name
    build build "" --buildtype=debugoptimized
    while [ "$SECONDS" -lt "$end" ]; do
        for program in build/tests/sim/sim_*; do
            [[ -f $program && -x $program ]] || continue
            name=$(basename "$program")
            timeout 900 "$program" --seed "$first" --seeds "$step" \
                >"$results/$name-$first.tap" 2>"$out/logs/$name-$first.log" </dev/null
            echo "exit: $?" >>"$results/$name-$first.tap"
        done
        first=$((first + step))
        say "sim: seeds $seed to $((first - 1))"
    done
}

soak_fuzz() {
    local source name targets=() list="" share
    for source in tests/fuzz/fuzz_*.c; do
        name=$(basename "$source" .c)
        [ "$name" = fuzz_replay ] && continue
        targets+=("${name#fuzz_}")
        list+=" tests/fuzz/$name"
    done
    CC=clang build build/fuzz "$list" -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
    share=$((minutes * 60 / ${#targets[@]}))
    for name in "${targets[@]}"; do
        say "fuzz: $name for $share s with $jobs processes"
        mkdir -p "$out/corpus/$name"
        if (cd "$out/logs" && "$top/build/fuzz/tests/fuzz/fuzz_$name" -max_total_time="$share" -timeout=20 \
            -jobs="$jobs" -workers="$jobs" -artifact_prefix="$out/crashes/$name-" \
            "$out/corpus/$name" "$top/tests/fuzz/corpus/$name" >"fuzz-$name.log" 2>&1 </dev/null); then
            echo "ok 1 - $share s" >"$results/fuzz-$name.tap"
        else
            echo "not ok 1 - see $out/logs/fuzz-$name.log and $out/crashes" >"$results/fuzz-$name.tap"
        fi
    done
}

soak_kill() {
    local end=$((SECONDS + minutes * 60)) round=0
    build build "" --buildtype=debugoptimized
    while [ "$SECONDS" -lt "$end" ]; do
        round=$((round + 1))
        PYTHONDONTWRITEBYTECODE=1 timeout -k 60 1800 /usr/bin/python3 tests/e2e/test_kill.py \
            >"$results/kill-$round.tap" 2>"$out/logs/kill-$round.log" </dev/null
        echo "exit: $?" >>"$results/kill-$round.tap"
        say "kill: round $round"
    done
}

say "seed $seed, $minutes minutes each: ${parts[*]}"
for part in "${parts[@]}"; do
    "soak_$part"
done
/usr/bin/python3 tools/tally.py "$results" tests/skips.txt
