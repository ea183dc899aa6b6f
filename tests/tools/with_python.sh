#!/usr/bin/env bash
# Run a Python test in the tests' own environment (tests/requirements.txt). Where that cannot be made,
# say so in one line and exit with 77 (skipped), or with 1 when CI is true.
set -euo pipefail
tools=$(cd "$(dirname "$0")" && pwd)
if ! python=$("$tools/python_env.sh"); then
    echo "skipped: the Python packages of tests/requirements.txt cannot be installed here"
    [ "${CI:-}" = true ] && exit 1
    exit 77
fi
exec "$python" "$@"
