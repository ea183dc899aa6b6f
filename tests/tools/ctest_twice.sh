#!/usr/bin/env bash
# Run ctest, and what failed once more, alone: tests of whole processes hold deadlines that a starved
# machine may miss. Nothing is hidden by that: who needed the second try is named in .build/flaky.txt,
# with the file that keeps the output of the first.
#
#   tests/tools/ctest_twice.sh PRESET [ctest-argument...]      MLX_TEST_JOBS: at once; default: cores
set -uo pipefail
cd "$(dirname "$0")/../.."
preset=$1
shift
root=$PWD
cd ".build/$preset" || exit 1
rm -f Testing/Temporary/LastTestsFailed.log
ctest --output-on-failure -j "${MLX_TEST_JOBS:-$(getconf _NPROCESSORS_ONLN)}" "$@" && exit
failed=$(sed 's/^[0-9]*://' Testing/Temporary/LastTestsFailed.log 2>/dev/null)
[ -n "$failed" ] || exit 1 # not a test: ctest itself

mkdir -p "$root/.build/flaky"
for name in $failed; do
    awk -v name="$name" '$0 ~ "^[0-9]+/[0-9]+ Testing: " name "$" { on = 1 } on { print }
        on && /^"[^"]*" end time:/ { exit }' Testing/Temporary/LastTest.log \
        >"$root/.build/flaky/$preset-$name.log"
done
echo "once more, one after the other:" $failed
# By name: --rerun-failed counts among all tests, not among those chosen, and would run others.
ctest --output-on-failure -R "^($(tr '\n ' '||' <<<"$failed" | sed 's/|*$//'))\$" || exit 1
for name in $failed; do
    echo "$name .build/flaky/$preset-$name.log" >>"$root/.build/flaky.txt"
done
