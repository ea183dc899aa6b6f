#!/usr/bin/env bash
# Run the tests of the coverage build (with sanitizers) and say which share of the lines of proto, common
# and services they reach; fails when a test does, or below the share given.
#
#   tests/tools/coverage.sh 90 [ctest-argument...]
#
# What only a Mac compiles is left out: tests/darwin covers it in a build of its own.
set -uo pipefail
cd "$(dirname "$0")/../.."
share=$1
shift
build=.build/coverage
find "$build" -name '*.gcda' -delete
tests/tools/ctest_twice.sh coverage "$@" || exit 1
gcovr --root . --object-directory "$build" --filter 'proto/' --filter 'common/' --filter 'services/' \
    --exclude '.*darwin.*' \
    --exclude 'services/sampler/sensor_(amc|battery|hid|ioaccel|ioreport|mach|smc)\.c' --sort-uncovered --fail-under-line "$share" --print-summary \
    --output "$build/coverage.txt"
