#!/usr/bin/env bash
# Run the tests of the coverage build and say which share of the lines of proto, common and services
# they reach; fails below the share given.
#
#   tests/tools/coverage.sh 90
#
# Left out: what only a Mac compiles (tests/darwin covers it in a build of its own), tests of kill -9,
# after which a process writes no counts, and the slowest, which reach no line that others do not.
set -euo pipefail
cd "$(dirname "$0")/../.."
share=$1
build=.build/coverage
find "$build" -name '*.gcda' -delete
# Most of them wait most of the time, and no speed is measured here: two more than there are cores.
MLX_TEST_JOBS=$(($(getconf _NPROCESSORS_ONLN) + 2)) tests/tools/ctest_twice.sh coverage -E '^(suite_kill|darwin|fuzz|recorder_process|recorder_year|gateway_page|gateway_many|bench_slow|cache_crash|cache_random|cache_places|cache_hf_client|cache_kill|cache_hostile|cache_gone|cache_ranges|cache_clones|deploy_|tray)' >"$build/ctest.out" 2>&1 ||
    { grep -E 'Failed|Timeout|tests passed' "$build/ctest.out"; exit 1; }
gcovr --root . --object-directory "$build" --filter 'proto/' --filter 'common/' --filter 'services/' \
    --exclude '.*darwin.*' \
    --exclude 'services/sampler/sensor_(amc|battery|hid|ioaccel|ioreport|mach|smc)\.c' --sort-uncovered --fail-under-line "$share" --print-summary \
    --output "$build/coverage.txt"
