#!/usr/bin/env bash
# Run the live tests with the daemons in the folder given (default: the asan build's).
# Without the Python packages they are skipped, with one line that says so; in CI that is a failure.
set -uo pipefail
cd "$(dirname "$0")/../.."
python=$(tests/live/env.sh)
status=$?
[ $status -eq 0 ] || exit $status
"$python" -B tests/live/run_live.py "${1:-.build/asan/bin}"
status=$?
"$python" -B tests/live/run_fits.py "${1:-.build/asan/bin}" || status=1
"$python" -B tests/live/run_cache.py "${1:-.build/asan/bin}" && exit $status
exit 1
