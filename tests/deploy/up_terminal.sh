#!/usr/bin/env bash
# deploy/up in a terminal, from the end of its build on: it waits for live values, opens the dashboard,
# q leaves it while the suite goes on, and deploy/down, which is not told where, leaves nothing. Uses the
# build in $1, a private run directory and a played model; home and prefix have a space in their names.
set -euo pipefail
build=$1
source=$(cd "$(dirname "$0")/../.." && pwd)
command -v tmux >/dev/null || { echo "skipped: no tmux"; exit 77; }
work=$(mktemp -d)
prefix="$work/a prefix"
export MLX_RUNTIME_DIR=$work/run MLX_CONFIG=$work/config.yaml MLX_STATE_DIR=$work/state HOME="$work/a home"
export LC_ALL=C.UTF-8 TERM=xterm-256color MLX_NO_INSTALL=1
unset DISPLAY WAYLAND_DISPLAY TMUX
MLX_DEMO_PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export MLX_DEMO_PORT OLLAMA_HOST=127.0.0.1:$MLX_DEMO_PORT
mkdir -m 0700 "$MLX_RUNTIME_DIR"
printf 'watcher: {tap: false}\ngateway: {listen: "127.0.0.1:0"}\n' >"$MLX_CONFIG"

# What an installation has; the build itself is not tried again. The program in the default prefix is
# another installation, which is not the one that runs.
mkdir -p "$prefix/libexec/mlx" "$work/tools" "$HOME/.local"
ln -s "$build/bin" "$HOME/.local/bin"
ln -s "$build/bin" "$prefix/bin"
ln -s "$build/bin/mlx-ollama-double" "$prefix/libexec/mlx/"
ln -s "$source/deploy/demo" "$prefix/libexec/mlx/demo"
sed "s|^bin=.*|bin='$prefix/bin'|" "$build/deploy/supervise" >"$prefix/libexec/mlx/supervise"
chmod +x "$prefix/libexec/mlx/supervise"
printf '#!/bin/sh\n' >"$work/tools/cmake"
chmod +x "$work/tools/cmake"

terminal() { tmux -u -S "$work/tmux" "$@"; }
cleanup() {
    terminal kill-server 2>/dev/null || true
    MLX_PREFIX=$prefix "$source/deploy/down" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT
fail() {
    echo "$1"
    cat "$work/screen" "$MLX_RUNTIME_DIR/suite.log" 2>/dev/null
    exit 1
}
screen_with() { # what is drawn is looked at again until it is there, for 40 s at most
    for _ in $(seq 800); do
        terminal capture-pane -p -t t >"$work/screen"
        ! grep -qE "$1" "$work/screen" || return 0
        ! grep -q 'ended with' "$work/screen" || break
        sleep 0.05
    done
    fail "no \"$1\" on the screen"
}

terminal -f /dev/null new-session -d -s t -x 100 -y 30 \
    "PATH=$work/tools:\$PATH $source/deploy/up --demo --prefix '$prefix'; echo ended with \$?; exec cat"
screen_with 'services [0-9]+/[0-9]+ up'
screen_with 'CPU +\['
screen_with 'MEM +\[.*B / .*B'
screen_with 'simulated-macbook-pro' # the machine that the demo shows
terminal send-keys -t t h           # and this one beside it
screen_with 'simulated:demo'
terminal send-keys -t t q
screen_with 'ended with 0'

pid=$(cat "$MLX_RUNTIME_DIR/suite.pid")
kill -0 "$pid" || fail "the suite ended with the dashboard"
said=$("$source/deploy/down" 2>&1)
[ "$said" = "the suite is stopped" ] || fail "deploy/down said: $said"
! pgrep -s "$pid" >/dev/null || fail "left running: $(pgrep -as "$pid")"

said=$("$source/deploy/down" 2>&1)
[ "$said" = "the suite was not running" ] || fail "deploy/down said of nothing: $said"
if said=$("$source/deploy/down" --prefix "$work/nowhere" 2>&1); then fail "it stopped nothing and said: $said"; fi

# What deploy/up did not start is not stopped, and that is not called a success.
"$prefix/bin/mlx-bus" >/dev/null 2>&1 &
bus=$!
"$prefix/bin/mlxctl" status --wait 20 >/dev/null 2>&1 || true
if said=$("$source/deploy/down" 2>&1); then fail "a bus goes on, and deploy/down said: $said"; fi
kill "$bus"
wait "$bus" || true
