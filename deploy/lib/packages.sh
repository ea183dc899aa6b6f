# Sourced by deploy/up and tests/run: install what is missing, with the system's package manager.
#
#   need_packages build          what building and running needs
#   need_packages build test     and what the tests need
#
# No package here carries a version in its name: the same lists serve every Debian and Ubuntu that is
# supported. tests/tools/programs.py holds them to what the scripts and tests really call.
# MLX_NO_INSTALL=1 leaves the machine as it is.

apt_build="cmake ninja-build pkg-config gcc libc6-dev libzmq3-dev libczmq-dev libmsgpack-dev
libcurl4-openssl-dev libyaml-dev libsqlite3-dev libjansson-dev libmicrohttpd-dev libncurses-dev
libsystemd-dev libssl-dev zlib1g-dev ca-certificates procps util-linux"
apt_test="libcmocka-dev valgrind clang clang-tidy gcovr python3 python3-venv dbus dbus-x11
xvfb xfce4-panel imagemagick xdotool tmux systemd git g++ iproute2 xfsprogs btrfs-progs e2fsprogs mount
zsh fish groff-base openssh-client openssl apache2-utils strace"
# Servers and programs that tests are tried against. Where a distribution has no such package (Ubuntu
# has Chromium as a snap only), the tests that need it say that they are skipped.
apt_peers="prometheus chromium docker-registry"
brew_build="cmake ninja pkg-config zeromq czmq msgpack curl libyaml sqlite jansson libmicrohttpd
ncurses openssl@3 zlib"
brew_test="cmocka python tmux"
brew_peers=""

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "installing packages needs root: run this as root, install sudo, or install these yourself: $missing"
    fi
}

list_of() { # list_of apt build test -> words
    _manager=$1
    shift
    for _group in "$@"; do
        eval "printf '%s ' \$${_manager}_$_group"
    done
}

apt_installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }
apt_offers() { [ -n "$(apt-cache madison "$1" 2>/dev/null)" ]; }

# The package of the sanitizers and of libFuzzer for whatever version "clang" stands for here. Nothing
# where they are part of clang itself.
clang_runtime() {
    if apt_installed clang; then _depends=$(dpkg-query -W -f '${Depends}' clang)
    else _depends=$(apt-cache show clang 2>/dev/null | grep '^Depends:')
    fi
    _version=$(printf '%s' "$_depends" | grep -oE 'clang-[0-9]+' | head -n 1)
    ! apt_offers "libclang-rt-${_version#clang-}-dev" || echo "libclang-rt-${_version#clang-}-dev"
}

apt_missing() { # apt_missing package... -> those that are not installed
    for _package in "$@"; do
        apt_installed "$_package" || printf '%s ' "$_package"
    done
}

apt_missing_peers() { # those that are available
    for _package in $(apt_missing $apt_peers); do
        ! apt_offers "$_package" || printf '%s ' "$_package"
    done
}

# shellcheck disable=SC2046 # lists of words
apt_wanted() { # apt_wanted build test -> what has to be installed for these groups
    apt_missing $(list_of apt "$@")
    case " $* " in *" test "*) apt_missing $(clang_runtime) && apt_missing_peers ;; esac
}

need_apt() {
    missing=$(apt_wanted "$@")
    [ -n "$missing" ] || return 0
    as_root apt-get update -qq || fail "apt-get update failed: is this machine online?"
    missing=$(apt_wanted "$@") # what clang stands for is known only now
    say "installing: $missing"
    # shellcheck disable=SC2086 # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        $missing >/dev/null || fail "could not install: $missing"
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
            fail "packages can only be installed with apt-get (Debian, Ubuntu), which this machine does not have:
install what corresponds to these Debian packages, then run this again with MLX_NO_INSTALL=1:
$(list_of apt "$@")"
        need_apt "$@"
        ;;
    Darwin) need_brew "$@" ;;
    *) fail "$(uname -s) is not supported: this suite runs on Linux and macOS" ;;
    esac
}
