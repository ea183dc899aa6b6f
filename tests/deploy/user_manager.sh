#!/usr/bin/env bash
# The installed units under a real user manager: `systemd --user` as nobody, in mount, process and
# network namespaces of its own. Every service must come up inside its sandbox and do its work: a
# request through the tap is seen, measured, recorded and has a name, which takes /proc of others.
#
#   MLX_TEST_USER_MANAGER=1 user_manager.sh BUILD [no-userns]
#
# no-userns: with the drop-in for kernels without user namespaces. 77: not asked for (it takes half a
# minute), or this machine cannot start a user manager.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
skip() { echo "skipped: $1"; exit 77; }

outside() {
    [ -n "${MLX_TEST_USER_MANAGER:-}" ] || skip "half a minute: MLX_TEST_USER_MANAGER=1 switches it on"
    [ "$(id -u)" = 0 ] || skip "needs root, to be another user in a namespace"
    [ -x /lib/systemd/systemd ] || skip "no systemd (apt-get install systemd)"
    for tool in unshare setpriv ip python3; do command -v $tool >/dev/null || skip "no $tool"; done
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    export work variant=${2:-}
    chmod 755 "$work"
    cmake --install "$1" --prefix "$work/root" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
    unshare --mount --pid --net --fork --kill-child --mount-proc "$here" --root ||
        { status=$?; cat "$work/home/log" 2>/dev/null; exit $status; }
}

# As PID 1 of the namespaces: what a booted system has before a user's manager starts.
root() {
    set +e
    mount --make-rprivate /
    ip link set lo up
    mount -t tmpfs tmpfs /run
    mkdir -p /run/systemd/{system,unit-root,mount-rootfs,propagate} /run/user/65534
    umount -R /sys/fs/cgroup 2>/dev/null || true
    mount -t cgroup2 cgroup2 /sys/fs/cgroup || skip "no second version of control groups"
    group=/sys/fs/cgroup/mlx-test-$(basename "$work")
    mkdir "$group" || skip "control groups cannot be made"
    echo $$ >"$group/cgroup.procs"
    mkdir "$work/home"
    chown -R 65534:65534 "$work/home" /run/user/65534 "$group"
    chmod 700 /run/user/65534
    setpriv --reuid 65534 --regid 65534 --clear-groups env -i work="$work" variant="$variant" \
        HOME="$work/home" XDG_RUNTIME_DIR=/run/user/65534 PATH=/usr/bin:/bin "$here" --user
    status=$?
    echo $$ >/sys/fs/cgroup/cgroup.procs
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
    return $status
}

user() {
    units=$HOME/.config/systemd/user
    mkdir -p "$units/mlx-.service.d"
    cp "$work"/root/share/systemd/user/mlx* "$units"
    sed -i "s|^ExecStart=\".*/bin/|ExecStart=\"$work/root/bin/|" "$units"/*.service
    [ -z "$variant" ] || cp "$work/root/share/mlx/systemd/no-user-namespaces.conf" "$units/mlx-.service.d"
    # There is no journal; and a sanitizer's search for leaks would trace its own process.
    printf '[Service]\nStandardError=append:%s\nEnvironment=ASAN_OPTIONS=detect_leaks=0\n' \
        "$HOME/log" >"$units/mlx-.service.d/test.conf"
    /lib/systemd/systemd --user &
    manager=$!
    trap 'systemctl --user exit 2>/dev/null || kill $manager; wait $manager || true' EXIT
    for _ in $(seq 100); do systemctl --user is-system-running >/dev/null 2>&1 && break; sleep 0.1; done
    systemctl --user is-system-running >/dev/null 2>&1 || skip "systemd --user does not start here"
    services=$(cd "$units" && ls mlx-*.service)
    systemctl --user start mlx.target $services || { cat "$HOME/log"; exit 1; }
    systemd-run --user --quiet --unit=model-server "$work/root/libexec/mlx/mlx-ollama-double" \
        --port 11434 --runner --model simulated:demo
    work_is_done
    in_their_sandbox
}

# A client that says nothing of itself: who it is, only /proc tells.
ask() { # ask PORT PATH [BODY]
    python3 -c 'import http.client, sys
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
c.request("POST" if len(sys.argv) > 3 else "GET", sys.argv[2], *sys.argv[3:])
r = c.getresponse()
r.read()
sys.exit(r.status != 200)' "$@" 2>/dev/null
}

work_is_done() {
    mlxctl=$work/root/bin/mlxctl
    "$mlxctl" status --wait 30 >"$HOME/status"
    for _ in $(seq 100); do
        grep -q simulated:demo "$HOME/status" && break
        "$mlxctl" status >"$HOME/status"
        sleep 0.1
    done
    for _ in $(seq 30); do # the watcher looks for new servers; then a request is listed with its client
        ask 11493 /api/generate '{"model":"simulated:demo","prompt":"hi","stream":false}' || true
        "$mlxctl" requests >"$HOME/requests" 2>&1 || true
        grep -q 'python3.*simulated:demo' "$HOME/requests" && break
        sleep 0.5
    done
    grep -q 'python3.*simulated:demo' "$HOME/requests" || {
        echo "the request is not listed with its client:"
        cat "$HOME/requests" "$HOME/status" "$HOME/log"
        exit 1
    }
    ask 11490 /metrics || { echo "the gateway does not answer"; exit 1; }
}

in_their_sandbox() {
    for service in $services; do
        pid=$(systemctl --user show -P MainPID "$service")
        restarts=$(systemctl --user show -P NRestarts "$service")
        [ "$pid" != 0 ] && [ "$restarts" = 0 ] ||
            { echo "$service: restarted $restarts times"; cat "$HOME/log"; exit 1; }
        grep -q '^Seccomp:.2' "/proc/$pid/status" || { echo "$service: no system call filter"; exit 1; }
        case $service$variant in
        mlx-sampler.service* | mlx-watcher.service* | *no-userns) ;;
        *) grep -q '^CapBnd:.0000000000000000' "/proc/$pid/status" ||
            { echo "$service: keeps capabilities"; exit 1; } ;;
        esac
    done
}

case $1 in
--root) root ;;
--user) user ;;
*) outside "$@" ;;
esac
