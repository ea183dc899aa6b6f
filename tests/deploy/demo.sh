#!/usr/bin/env bash
# deploy/up --demo plays a simulated machine whose every figure is alive, and ends with the demo's model and its speed in the report, also where the report is
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
ln -s "$root/deploy/demo" "$work/libexec/mlx/demo"
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

[[ $note == *"$demo_host is a simulated machine"* ]] || { echo "note: $note"; exit 1; }

# The simulated machine has a value on every line of the report, and says what it is.
machine=
for _ in {1..40}; do
    machine=$("$prefix/bin/mlxctl" status --host "$demo_host")
    grep -q '^Cache ' <<<"$machine" && break
    sleep 0.5 # its first values come within a second of the recording
done
for line in Memory GPU CPU Temperature Power Bandwidth Cores Fans Battery Cache; do
    grep -qE "^$line  +[0-9a-z]" <<<"$machine" || { echo "no $line in: $machine"; exit 1; }
done
! grep -q 'not available\|not live\|silent' <<<"$machine" || { echo "not alive: $machine"; exit 1; }
# It is made by its script: the same messages come out.
"$root/deploy/demo/make.py" "$work/again.mlxrec"
cmp <(gzip -dc <"$work/again.mlxrec") <(gzip -dc <"$root/deploy/demo/laptop.mlxrec") || exit 1

report="idle  no model loaded"
note=$(demo_note 2>&1)
[[ $note == *"did not answer"*"port $port"* ]] || { echo "note: $note"; exit 1; }
# Beside an Ollama only the machine is simulated.
ollama() { :; }
find_demo 2>/dev/null
[ -z "$demo_server" ] && demo_plays && demo_shown || { echo "an Ollama is simulated beside the real one"; exit 1; }
unset -f ollama
demo=
find_demo
[ -z "$(demo_note 2>&1)" ] || { echo "a note without a demo"; exit 1; }
