#!/usr/bin/env bash
# The supervisor of deploy/up where there is no service manager: what is killed comes back, and
# stopping leaves nothing. Uses the build in $1 and a private run directory.
set -euo pipefail
build=$1
work=$(mktemp -d)
export MLX_RUNTIME_DIR=$work/run MLX_CONFIG=$work/config.yaml OLLAMA_HOST=127.0.0.1:9
mkdir -m 0700 "$MLX_RUNTIME_DIR"
echo 'watcher: {tap: false}' >"$MLX_CONFIG"
sed "s|^bin=.*|bin='$build/bin'|" "$build/deploy/supervise" >"$work/supervise"
chmod +x "$work/supervise"
cleanup() {
    kill -9 -- "-$supervisor" 2>/dev/null || true
    rm -rf "$work"
}
setsid "$work/supervise" "$MLX_RUNTIME_DIR" >/dev/null 2>&1 &
supervisor=$!
trap cleanup EXIT
mlxctl=$build/bin/mlxctl

"$mlxctl" status --wait 30 >/dev/null
pid_of() { "$mlxctl" services --json | tr -d ' \n' | grep -oE "service\.$1\.health.*" | grep -oE '"pid":[0-9]+' | head -1 | cut -d: -f2; }

before=$(pid_of sampler)
kill -9 "$before"
for _ in $(seq 200); do # the next message tells, with a deadline of 10 s
    now=$(pid_of sampler) || now=
    [ -n "$now" ] && [ "$now" != "$before" ] && break
    timeout 1 "$mlxctl" watch -n 1 service.sampler >/dev/null || true
done
[ "$now" != "$before" ] || { echo "the sampler did not come back"; cat "$MLX_RUNTIME_DIR/suite.log"; exit 1; }
"$mlxctl" services restart watcher
"$mlxctl" status --wait 30 >/dev/null

kill "$supervisor"
wait "$supervisor" || true
! pgrep -s "$supervisor" >/dev/null || { echo "left running:"; pgrep -as "$supervisor"; exit 1; }
