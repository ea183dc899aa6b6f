# Sourced by deploy/up and deploy/down: start and stop the suite under whatever manages services here.
# Uses: prefix, demo. Sets: manager.

demo_port=${MLX_DEMO_PORT:-11434}

macos_paths() {
    [ "$(uname -s)" = Darwin ] || return 0
    _brew=$(brew --prefix)
    for _keg in ncurses curl sqlite openssl@3 zlib; do
        PKG_CONFIG_PATH="$_brew/opt/$_keg/lib/pkgconfig:${PKG_CONFIG_PATH:-}"
    done
    export PKG_CONFIG_PATH
}

find_manager() {
    case $(uname -s) in
    Darwin) manager=launchd ;;
    *)
        manager="its own process group"
        if [ -z "${MLX_RUNTIME_DIR:-}" ] && systemctl --user show-environment >/dev/null 2>&1; then
            manager="systemd (user)"
        fi
        ;;
    esac
}

run_dir() { "$prefix/bin/mlxctl" config --run-dir; }

# Where deploy/up installed what is running: it says so in the run directory.
find_prefix() {
    for _mlxctl in "$HOME/.local/bin/mlxctl" .build/release/bin/mlxctl; do
        [ -x "$_mlxctl" ] && _dir=$("$_mlxctl" config --run-dir 2>/dev/null) || continue
        [ ! -s "$_dir/suite.prefix" ] || { cat "$_dir/suite.prefix"; return; }
    done
    echo "$HOME/.local"
}

answers() { "$prefix/bin/mlxctl" services >/dev/null 2>&1; }

demo_model="simulated:demo"
demo_host="simulated-macbook-pro" # the machine in the recording

# Sets demo_command: the words of the command that plays a simulated machine and, where no Ollama is
# installed, a model server; or none. demo_server: is the server played?
find_demo() {
    demo_command=() demo_server=
    [ -n "${demo:-}" ] || return 0
    demo_command=("$prefix/libexec/mlx/demo/play" "$prefix/bin/mlxctl" "$prefix/libexec/mlx/demo/laptop.mlxrec")
    if command -v ollama >/dev/null; then
        say "Ollama is installed: no model server is simulated beside it"
        return 0
    fi
    demo_server=1
    demo_command+=("$prefix/libexec/mlx/mlx-ollama-double" --port "$demo_port" --runner --autoplay
        --model "$demo_model")
}

demo_patience=40 # seconds: its client pauses, a server is noticed within 5 s, and speeds take a few more

# Without a demo to play nothing of it is waited for or told.
demo_plays() { [ ${#demo_command[@]} -gt 0 ]; }

demo_shown() { [ -z "$demo_server" ] || case $report in *" tok/s  $demo_model"*) true ;; *) false ;; esac }

# The report again, until it has the demo's model with its speed.
demo_wait() {
    demo_plays || return 0
    say "waiting for the demo's first answers"
    demo_end=$((SECONDS + demo_patience))
    until demo_shown || [ $SECONDS -ge $demo_end ]; do
        sleep 0.5
        report=$("$prefix/bin/mlxctl" status)
    done
}

demo_note() {
    demo_plays || return 0
    say "demo: $demo_host is a simulated machine; see it with $prefix/bin/mlxctl top --host $demo_host"
    [ -n "$demo_server" ] || return 0
    if demo_shown; then
        say "demo: a simulated server plays the model $demo_model; its figures are not this machine's"
    else
        say "demo: $demo_model did not answer within $demo_patience s: is port $demo_port in use? see" \
            "$(run_dir)/suite.log and mlxctl status"
    fi
}

# zsh looks in no folder of an ordinary user by itself, and its settings are not ours to change.
zsh_note() {
    case ${SHELL:-} in */zsh) ;; *) return 0 ;; esac
    _words=$prefix/share/zsh/site-functions
    grep -qsF "$_words" "${ZDOTDIR:-$HOME}/.zshrc" && return 0
    say "zsh completes the commands with this line in ~/.zshrc, above compinit: fpath=('$_words' \$fpath)"
}

group_start() {
    dir=$(run_dir)
    group_stop "$dir"
    # A session of its own: it outlives this shell and can be stopped as a whole.
    setsid "$prefix/libexec/mlx/supervise" "$dir" ${demo_command[@]+"${demo_command[@]}"} </dev/null >/dev/null 2>&1 &
    echo $! >"$dir/suite.pid"
}

command_of() { # a minimal Debian has no ps, a Mac no /proc
    tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null || ps -o args= -p "$1" 2>/dev/null
}

group_stop() {
    [ -f "$1/suite.pid" ] || return 0
    pid=$(cat "$1/suite.pid")
    # Only what is still our supervisor: pids are used again.
    if command_of "$pid" | grep -q libexec/mlx/supervise; then
        kill "$pid" 2>/dev/null || true
        for _try in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.05
        done
        kill -9 -- "-$pid" 2>/dev/null || true
    fi
    rm -f "$1/suite.pid"
}

# The tray: a desktop session starts it at login from ~/.config/autostart, and now if we are in one.
tray_file() { echo "${XDG_CONFIG_HOME:-$HOME/.config}/autostart/mlx-menubar.desktop"; }

tray_start() {
    [ "$(uname -s)" = Linux ] && [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || return 0
    mkdir -p "$(dirname "$(tray_file)")"
    cp "$prefix/etc/xdg/autostart/mlx-menubar.desktop" "$(tray_file)"
    # A second one in a session ends by itself (status 75).
    setsid "$prefix/bin/mlx-menubar" --format tray </dev/null >/dev/null 2>&1 &
}

tray_stop() {
    [ -f "$(tray_file)" ] || return 0
    rm -f "$(tray_file)"
    pkill -u "$(id -u)" -f "$prefix/bin/mlx-menubar --format tray" 2>/dev/null || true
}

# The units ask for a user namespace; a kernel that has them switched off would start none of them.
sandbox_fits() {
    systemd-run --user --quiet --collect --wait -p PrivateUsers=yes -p CapabilityBoundingSet= \
        -p PrivateMounts=yes true 2>/dev/null
}

systemd_sandbox() {
    _drop_in=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user/mlx-.service.d/no-user-namespaces.conf
    rm -f "$_drop_in"
    sandbox_fits && return 0
    say "this machine allows no user namespaces: the services run with a smaller sandbox ($_drop_in)"
    mkdir -p "$(dirname "$_drop_in")"
    cp "$prefix/share/mlx/systemd/no-user-namespaces.conf" "$_drop_in"
}

# An agent with the folder of its log filled in: launchd expands nothing in a path.
launchd_agent() {
    _logs=$(printf %s "$HOME/Library/Logs/mlx" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/[\\|&]/\\&/g')
    sed "s|\${LOGS}|$_logs|" "$1"
}

suite_start() {
    find_manager
    find_demo
    tray_start
    printf '%s\n' "$prefix" >"$(run_dir)/suite.prefix"
    case $manager in
    launchd)
        mkdir -p ~/Library/LaunchAgents ~/Library/Logs/mlx
        for plist in "$prefix"/share/mlx/launchd/dev.mlx-suite.*.plist; do
            label=$(basename "$plist" .plist)
            launchd_agent "$plist" >~/Library/LaunchAgents/"$label.plist"
            launchctl bootout "gui/$(id -u)/$label" 2>/dev/null || true
            launchctl bootstrap "gui/$(id -u)" ~/Library/LaunchAgents/"$label.plist"
        done
        ;;
    systemd*)
        systemd_sandbox
        systemctl --user daemon-reload
        systemctl --user enable --quiet mlx.target $(cd "$prefix/share/systemd/user" && ls mlx-*.service)
        systemctl --user restart mlx.target
        if [ ${#demo_command[@]} -gt 0 ]; then
            systemctl --user stop mlx-demo.service 2>/dev/null || true
            systemd-run --user --quiet --collect --unit=mlx-demo "${demo_command[@]}"
        fi
        ;;
    *) group_start ;;
    esac
}

suite_stop() {
    find_manager
    tray_stop
    case $manager in
    launchd)
        for plist in "$prefix"/share/mlx/launchd/dev.mlx-suite.*.plist; do
            launchctl bootout "gui/$(id -u)/$(basename "$plist" .plist)" 2>/dev/null || true
        done
        ;;
    systemd*)
        systemctl --user stop mlx-demo.service 2>/dev/null || true
        systemctl --user stop mlx.target 'mlx-*.service'
        systemctl --user disable --quiet mlx.target 2>/dev/null || true
        ;;
    *) group_stop "$(run_dir)" ;;
    esac
    for _try in $(seq 100); do
        answers || return 0
        sleep 0.05
    done
    fail "the suite that deploy/up started is stopped, but something still answers on the bus in $(run_dir):
see '$prefix/bin/mlxctl services' for its process ids"
}
