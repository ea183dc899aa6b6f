#!/usr/bin/env bash
# The tray as a person sees it: a real panel on a virtual screen, the demo's values on the bus, one
# picture of the panel and one with the menu open.
#
#     tests/menubar/screenshot.sh BIN_FOLDER OUT_FOLDER
#
# Needs xvfb, xfce4-panel, xdotool, imagemagick and dbus (Debian: apt-get install --no-install-recommends
# xvfb xfce4-panel xdotool imagemagick dbus-x11), and tests/tools/with_python.sh's pyzmq and msgpack.
set -euo pipefail
bin=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
cd "$(dirname "$0")/../.."
for program in Xvfb xfce4-panel xdotool import dbus-run-session; do
    command -v "$program" >/dev/null || { echo "SKIPPED: no $program"; exit 77; }
done

if [ -z "${MLX_SCREENSHOT_INSIDE:-}" ]; then
    home=$(mktemp -d /tmp/mlx-screenshot-XXXXXX)
    trap 'rm -rf "$home"' EXIT
    # A home of its own, so that neither the panel's settings nor ours are the user's.
    MLX_SCREENSHOT_INSIDE=1 HOME=$home XDG_CONFIG_HOME=$home/config XDG_CACHE_HOME=$home/cache \
        XDG_RUNTIME_DIR=$home MLX_RUNTIME_DIR=$home/mlx MLX_HOST=demo \
        dbus-run-session -- "$0" "$bin" "$out"
    exit
fi

children=()
end() {
    kill "${children[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
}
trap end EXIT

# wait_for COMMAND...: until it succeeds, at most 20 s.
wait_for() {
    for _ in $(seq 200); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "FAILED: not within 20 s: $*"
    exit 1
}

exec 9<> <(:)
Xvfb -displayfd 9 -screen 0 1000x620x24 -nolisten tcp >/dev/null 2>&1 &
children+=($!)
read -r display <&9
export DISPLAY=:$display GDK_BACKEND=x11 NO_AT_BRIDGE=1

"$bin/mlx-bus" 2>/dev/null &
children+=($!)
wait_for "$bin/mlxctl" services
tests/tools/with_python.sh tests/menubar/play_screen.py "$MLX_RUNTIME_DIR" &
children+=($!)
"$bin/mlx-menubar" --format tray &
children+=($!)
xfce4-panel --disable-wm-check >/dev/null 2>&1 &
children+=($!)

registered() {
    dbus-send --session --print-reply --dest=org.kde.StatusNotifierWatcher /StatusNotifierWatcher \
        org.freedesktop.DBus.Properties.Get string:org.kde.StatusNotifierWatcher \
        string:RegisteredStatusNotifierItems | grep -q StatusNotifierItem
}
wait_for registered
sleep 3 # the panel draws in its own time
import -window root "$out/panel.png"

# The icon: the disc's green is nowhere else on the panel.
read -r x y < <(convert "$out/panel.png" -depth 8 txt:- |
    sed -n 's/^\([0-9]*\),\([0-9]*\): .*#23894A.*/\1 \2/p' | awk '{ x += $1; y += $2; n++ }
        END { if (n) print int(x / n), int(y / n) }')
[ -n "${x:-}" ] || { echo "FAILED: no icon in the panel, see $out/panel.png"; exit 1; }
xdotool mousemove "$x" "$y"
sleep 1.5
import -window root "$out/tooltip.png"
xdotool click 1
sleep 2
import -window root "$out/menu.png"
echo "icon at $x,$y; see $out/panel.png, tooltip.png and menu.png"
