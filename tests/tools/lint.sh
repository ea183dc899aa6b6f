#!/usr/bin/env bash
# What a reader of the code would complain about first: formatting, clang-tidy, and gcc's analyzer.
#
#   tests/tools/lint.sh format|tidy|analyze [files...]     default: all of the suite's own sources
set -euo pipefail
cd "$(dirname "$0")/../.."
task=$1
shift
jobs=$(getconf _NPROCESSORS_ONLN)

sources() { # the product, without what only a Mac compiles
    git ls-files 'proto/*.c' 'common/*.c' 'services/*.c' 'tools/*.c' |
        grep -vE '_darwin\.c$|/darwin_|sensor_(amc|mach|ioaccel|ioreport|smc|hid|battery)\.c$|^tools/SwiftMLX/'
}

# How the sources are compiled here: .build/dev/compile_commands.json.
configure() { [ -f .build/dev/compile_commands.json ] || cmake --preset dev >/dev/null; }

case $task in
format)
    # One version for everybody: two do not agree about every line.
    if ! python=$(tests/tools/python_env.sh); then
        echo "skipped: clang-format of tests/requirements.txt cannot be installed here"
        [ "${CI:-}" = true ] && exit 1
        exit 77
    fi
    git ls-files '*.c' '*.h' | grep -v '^tests/fixtures/' |
        xargs "$(dirname "$python")/clang-format" --dry-run -Werror
    ;;
tidy)
    configure
    # A quarter of the paths that it would follow by default, in a quarter of the time: 3 s a file, not 12.
    analyzer=(--extra-arg={-Xclang,-analyzer-config,-Xclang,max-nodes=50000})
    { [ $# -gt 0 ] && printf '%s\n' "$@" || sources; } |
        xargs -P "$jobs" -n 3 clang-tidy -p .build/dev --quiet "${analyzer[@]}" 2>/dev/null
    ;;
analyze)
    configure
    flags=$(grep -oE -- '-isystem /[^ "\\]+' .build/dev/compile_commands.json | grep -v " $PWD/" |
        sort -u | tr '\n' ' ')
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
