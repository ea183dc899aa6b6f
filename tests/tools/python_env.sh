#!/usr/bin/env bash
# Create a Python environment from a requirements file, once for each content of that file, and print
# the path of its python. Everything is under .cache: remove it to start afresh.
#
#     python=$(tests/tools/python_env.sh)                            .cache/venv, tests/requirements.txt
#     python=$(tests/tools/python_env.sh NAME FILE [PIP-OPTION]...)  .cache/NAME, FILE
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
venv=$root/.cache/${1:-venv}
wanted=${2:-$root/tests/requirements.txt}
stamp=$venv/requirements.installed

mkdir -p "$root/.cache"
exec 9>"$venv.lock"
flock 9 2>/dev/null || true # macOS has no flock(1); there it is run by hand

if ! cmp -s "$wanted" "$stamp"; then
    python3 -m venv --clear "$venv" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${@:3}" -r "$wanted" >&2
    cp "$wanted" "$stamp"
fi
echo "$venv/bin/python"
