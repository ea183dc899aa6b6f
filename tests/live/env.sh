#!/usr/bin/env bash
# Make the Python environment that the live tests run in (.cache/live-venv), and print the path of its
# interpreter. Where it cannot be had, say so in one line and exit with 77 (skipped), or with 1 in CI.
#
#   python=$(tests/live/env.sh) && "$python" tests/live/run_live.py .build/asan/bin
set -uo pipefail
cd "$(dirname "$0")/../.."

give_up() {
    echo "live tests: skipped: $*" >&2
    [ "${CI:-}" != true ] || exit 1
    exit 77
}

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || give_up "python3 is older than 3.11"
# Everything is pinned: nothing is resolved, nothing is compiled.
tests/tools/python_env.sh live-venv tests/live/requirements.txt --no-cache-dir --no-deps \
    --only-binary :all: || give_up "the packages of tests/live/requirements.txt could not be installed"
