#!/usr/bin/env bash
# Install the build in $1 into a private folder and look at what is there: programs, man pages,
# completions, and units that systemd finds nothing wrong with (launchd agents on a Mac).
set -euo pipefail
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/root" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }

missing=0
need() {
    [ -s "$work/root/$1" ] || { echo "not installed, or empty: $1"; missing=1; }
}
for program in mlxctl mlx-cache mlx-menubar mlx-bus mlx-sampler mlx-watcher mlx-bencher mlx-cached; do
    need "bin/$program"
    need "share/man/man1/$program.1"
    need "share/bash-completion/completions/$program"
    need "share/zsh/site-functions/_$program"
    need "share/fish/vendor_completions.d/$program.fish"
done
need share/man/man5/mlx-config.5
need share/man/man7/mlx.7
grep -q 'sampler\.rate_hz' "$work/root/share/man/man5/mlx-config.5" || { echo "mlx-config(5) has no settings"; missing=1; }
need libexec/mlx/supervise
need libexec/mlx/mlx-cache-worker
need libexec/mlx/mlx-ollama-double
bash -n "$work/root/libexec/mlx/supervise"
bash -n "$work/root/share/bash-completion/completions/mlxctl"

# Words that are known without a bus stand in the completions.
words() { "$work/root/bin/mlxctl" --generate "names:$1"; }
[ "$(MLX_RUNTIME_DIR=$work words history | grep -cxE 'speed|gpu|ttft|export')" = 4 ] ||
    { echo "no short names among the words of mlxctl history"; missing=1; }
grep -q -- '--sweep).*context parallel' "$work/root/share/bash-completion/completions/mlxctl" ||
    { echo "no words behind mlxctl bench --sweep"; missing=1; }

# zsh is told where they are, until it knows.
zsh_note() {
    (prefix=$work/root SHELL=/bin/zsh HOME=$work ZDOTDIR=
     . "$(dirname "$0")/../../deploy/lib/packages.sh"
     . "$(dirname "$0")/../../deploy/lib/manage.sh"
     zsh_note 2>&1)
}
zsh_note >"$work/said"
grep -o 'fpath=.*' "$work/said" >"$work/.zshrc" || { echo "nothing said to zsh"; missing=1; }
[ -z "$(zsh_note)" ] || { echo "said again to zsh: $(zsh_note)"; missing=1; }
! command -v zsh >/dev/null || [ "$(HOME=$work ZDOTDIR=$work zsh -c '. ~/.zshrc
    autoload -U compinit && compinit -u -D && echo $_comps[mlxctl]')" = _mlxctl ] ||
    { echo "zsh does not find the words of mlxctl"; missing=1; }

# mlx-cache becomes its worker where something is to be changed, also through a link (~/.local/bin).
mkdir -m 0700 "$work/home" "$work/bin"
ln -s "$work/root/bin/mlx-cache" "$work/bin/mlx-cache"
HOME=$work/home MLX_CACHE_DIR=$work/home/cache "$work/bin/mlx-cache" verify --json >"$work/verified"
grep -q '"checked": *0' "$work/verified" || { echo "mlx-cache did not reach its worker"; missing=1; }

# A status must start in a few ms: what it loads is what it needs.
if [ "$(uname -s)" = Darwin ]; then
    loaded=$(otool -L "$work/root/bin/mlx-cache")
else
    loaded=$(ldd "$work/root/bin/mlx-cache")
fi
for library in curl zmq czmq; do
    case $loaded in
        *lib$library.*) echo "mlx-cache loads lib$library: that belongs to its worker"; missing=1 ;;
    esac
done

if [ "$(uname -s)" != Darwin ] && ! command -v systemd-analyze >/dev/null; then
    echo "skipped: the units and their exposure; no systemd-analyze (apt-get install systemd)"
elif [ "$(uname -s)" = Darwin ]; then
    plutil -lint "$work"/root/share/mlx/launchd/*.plist
else
    need share/systemd/user/mlx.target
    # The units name the prefix that was configured: point them at what was just installed.
    sed -i "s|^ExecStart=\".*/bin/|ExecStart=\"$work/root/bin/|" "$work"/root/share/systemd/user/*.service
    mkdir -m 0700 "$work/run"
    XDG_RUNTIME_DIR=$work/run systemd-analyze --user --man=no verify \
        "$work"/root/share/systemd/user/mlx* >"$work/verify" 2>&1 || missing=1
    cat "$work/verify"
    [ ! -s "$work/verify" ] || missing=1
    # Who reads /proc of others can have no user namespace, and without one a user manager takes away no
    # capability: deploy/systemd/observer.conf. user_manager.sh tries both with a real manager.
    for unit in "$work"/root/share/systemd/user/mlx-*.service; do
        case $unit in
        */mlx-sampler.service | */mlx-watcher.service) limit=64 ;;
        *) limit=30 ;;
        esac
        systemd-analyze security --no-pager --offline=true --threshold=$limit "$unit" >"$work/exposure" ||
            { echo "$(basename "$unit"): more exposed than $limit tenths"; cat "$work/exposure"; missing=1; }
        tail -1 "$work/exposure"
        for setting in UMask=0077 LimitNOFILE= MemoryMax= NoNewPrivileges=yes; do
            grep -q "^$setting" "$unit" || { echo "$unit: no $setting"; missing=1; }
        done
    done
fi

# launchd starts again all that does not end with 0: what is in vain ends with 0 there, only there.
ended() { # ended STATUS VARIABLE=VALUE...
    status=0
    env "${@:2}" MLX_RUNTIME_DIR="$work/run" "$work/root/bin/mlx-sampler" --set no.such=1 2>/dev/null ||
        status=$?
    [ $status = "$1" ] || { echo "mlx-sampler ended with $status, not $1 (${*:2})"; missing=1; }
}
mkdir -p -m 0700 "$work/run"
ended 2
ended 2 MLX_MANAGER=systemd
ended 0 MLX_MANAGER=launchd

# Uninstalling removes what was installed, and nothing else; a list that was tampered with harms nobody.
mkdir -p "$work/down"
chmod 700 "$work/down"
touch "$work/root/bin/of-somebody-else" "$work/precious"
printf '%s\n' "$work/precious" "$work/root/../precious" >>"$work/root/share/mlx/installed"
HOME=$work/home MLX_RUNTIME_DIR=$work/down "$(dirname "$0")/../../deploy/down" --prefix "$work/root" --uninstall \
    >"$work/log" 2>&1 || { cat "$work/log"; missing=1; }
left=$(find "$work/root" ! -type d)
[ "$left" = "$work/root/bin/of-somebody-else" ] || { echo "deploy/down --uninstall left: $left"; missing=1; }
[ -e "$work/precious" ] || { echo "deploy/down --uninstall removed a file outside the prefix"; missing=1; }
exit $missing
