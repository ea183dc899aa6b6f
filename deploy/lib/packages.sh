# Sourced by deploy/up and tests/run: install what is missing, with the system's package manager.
#
#   need_packages build          what building needs
#   need_packages build test     and what the tests need
#
# MLX_NO_INSTALL=1 leaves the machine as it is.

apt_build="cmake ninja-build pkg-config gcc libc6-dev libzmq3-dev libczmq-dev libmsgpack-dev
libcurl4-openssl-dev libyaml-dev libsqlite3-dev libjansson-dev libmicrohttpd-dev libncurses-dev
libsystemd-dev libssl-dev"
apt_test="libcmocka-dev valgrind clang clang-tidy clang-format libclang-rt-14-dev gcovr python3
python3-venv ca-certificates dbus xvfb xfce4-panel imagemagick xdotool tmux systemd git g++
libsystemd0 procps iproute2 prometheus chromium docker-registry xfsprogs btrfs-progs zsh fish groff-base
dbus-x11 curl"
brew_build="cmake ninja pkg-config zeromq czmq msgpack curl libyaml sqlite jansson libmicrohttpd
ncurses openssl@3"
brew_test="cmocka python tmux"

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "installing packages needs root: run as root, install sudo, or install these yourself: $missing"
    fi
}

list_of() { # list_of apt build test -> words
    _manager=$1
    shift
    for _group in "$@"; do
        eval "printf '%s ' \$${_manager}_$_group"
    done
}

need_apt() {
    missing=
    for package in $(list_of apt "$@"); do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    say "installing:$missing"
    as_root apt-get update -qq || fail "apt-get update failed: is this machine online?"
    # shellcheck disable=SC2086 # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        $missing >/dev/null || fail "could not install:$missing"
}

need_brew() {
    command -v brew >/dev/null || fail "Homebrew is needed; see its web page for the one-line installation"
    missing=
    for package in $(list_of brew "$@"); do
        brew list --versions "$package" >/dev/null 2>&1 || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    say "installing:$missing"
    # shellcheck disable=SC2086 # a list of words
    brew install --quiet $missing || fail "could not install:$missing"
}

need_packages() {
    [ -z "${MLX_NO_INSTALL:-}" ] || return 0
    case $(uname -s) in
    Linux)
        command -v apt-get >/dev/null ||
            fail "this is no Debian: install the equivalents of $(list_of apt "$@"), then set MLX_NO_INSTALL=1"
        need_apt "$@"
        ;;
    Darwin) need_brew "$@" ;;
    *) fail "$(uname -s) is not supported: Linux and macOS are" ;;
    esac
}
