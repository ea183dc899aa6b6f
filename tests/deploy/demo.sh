#!/usr/bin/env bash
# deploy/up --demo ends with the demo's model and its speed in the report, also where the report is
# asked for before the demo's client has begun; and it does not promise what does not come.
# Uses the build in $1 and a private run directory.
set -euo pipefail
build=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export MLX_RUNTIME_DIR=$work/run MLX_CONFIG=$work/config.yaml MLX_STATE_DIR=$work/state
export OLLAMA_HOST=127.0.0.1:$port MLX_DEMO_PORT=$port
mkdir -m 0700 "$MLX_RUNTIME_DIR"
echo 'watcher: {tap: false}
gateway: {listen: "127.0.0.1:0"}' >"$MLX_CONFIG"
mkdir -p "$work/libexec/mlx"
ln -s "$build/bin" "$work/bin"
ln -s "$build/bin/mlx-ollama-double" "$work/libexec/mlx/"
sed "s|^bin=.*|bin=$build/bin|" "$build/deploy/supervise" >"$work/libexec/mlx/supervise"
chmod +x "$work/libexec/mlx/supervise"

prefix=$work demo=1
. "$root/deploy/lib/packages.sh"
. "$root/deploy/lib/manage.sh"
manager="its own process group"
cleanup() {
    group_stop "$MLX_RUNTIME_DIR"
    rm -rf "$work"
}
trap cleanup EXIT
command -v ollama >/dev/null && exit 77 # then there is no demo

find_demo
group_start
report=$("$prefix/bin/mlxctl" status --wait 30)
demo_wait
note=$(demo_note 2>&1)
echo "$report" | grep -qE '^[0-9.]+ tok/s  simulated:demo' || { echo "no speed in: $report"; exit 1; }
[[ $note == *"not this machine's"* ]] || { echo "note: $note"; exit 1; }

report="idle  no model loaded"
note=$(demo_note 2>&1)
[[ $note == *"did not answer"*"port $port"* ]] || { echo "note: $note"; exit 1; }
demo=
find_demo
[ -z "$(demo_note 2>&1)" ] || { echo "a note without a demo"; exit 1; }
