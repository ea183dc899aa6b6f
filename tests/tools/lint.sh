#!/usr/bin/env bash
# What a reader of the code would complain about first: formatting, clang-tidy, and gcc's analyzer.
#
#   tests/tools/lint.sh format|tidy|analyze [files...]     default: all of the suite's own sources
#
# clang-tidy needs .build/dev/compile_commands.json: cmake --preset dev.
set -euo pipefail
cd "$(dirname "$0")/../.."
task=$1
shift
jobs=$(getconf _NPROCESSORS_ONLN)

sources() { # the product, without what only a Mac compiles
    git ls-files 'proto/*.c' 'common/*.c' 'services/*.c' 'tools/*.c' |
        grep -vE '_darwin\.c$|/darwin_|sensor_(mach|ioaccel|ioreport|smc|hid|battery)\.c$|^tools/SwiftMLX/'
}

case $task in
format)
    git ls-files '*.c' '*.h' | grep -v '^tests/fixtures/' | xargs clang-format --dry-run -Werror
    ;;
tidy)
    { [ $# -gt 0 ] && printf '%s\n' "$@" || sources; } |
        xargs -P "$jobs" -n 6 clang-tidy -p .build/dev --quiet 2>/dev/null
    ;;
analyze)
    flags=$(pkg-config --cflags libczmq libzmq msgpack libcurl jansson yaml-0.1 sqlite3 ncursesw libsystemd libmicrohttpd)
    { [ $# -gt 0 ] && printf '%s\n' "$@" || sources; } |
        xargs -P "$jobs" -I{} sh -c "gcc -std=c17 -D_GNU_SOURCE -DMLX_VERSION='\"0\"' -I. $flags -O0 \
            -fanalyzer -Werror=analyzer-double-free -Werror=analyzer-use-after-free \
            -Werror=analyzer-null-dereference -Werror=analyzer-malloc-leak -Werror=analyzer-file-leak \
            -Werror=analyzer-use-of-uninitialized-value -c {} -o /dev/null || exit 1"
    ;;
*)
    echo "usage: lint.sh format|tidy|analyze [files...]" >&2
    exit 2
    ;;
esac
