#!/usr/bin/env bash
# What an attacker finds in release programs: addresses that move, nothing writable that is called
# through, checked copies, and, where compiler and processor have them, cleared variables, probed stacks
# and marked targets of jumps.
#
#   hardened.sh               a small program built with the suite's flags
#   hardened.sh PREFIX BUILD  every program installed in PREFIX by the release build in BUILD
set -euo pipefail
[ "$(uname -s)" = Linux ] || { echo "skipped: readelf is of Linux"; exit 77; }
command -v readelf >/dev/null || { echo "skipped: no readelf (apt-get install binutils)"; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ $# -gt 0 ]; then
    build=$2
    programs=$(find "$1/bin" "$1/libexec/mlx" -maxdepth 1 -name 'mlx*' -type f)
else
    build=$work/build
    { cmake -S "$here/hardened" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo &&
        cmake --build "$build"; } >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
    programs=$build/hardened
fi
missing=0
need() { # need PROGRAM WHAT PATTERN TEXT
    grep -qE -- "$3" <<<"$4" || { echo "$1: $2"; missing=1; }
}

fortified=
for program in $programs; do
    head -c 4 "$program" | grep -q ELF || continue
    dynamic=$(readelf -dW "$program") segments=$(readelf -lW "$program")
    need "$program" "not position-independent" '\(FLAGS_1\).*PIE' "$dynamic"
    need "$program" "symbols are bound late: -z now" '\(FLAGS_1\).*NOW' "$dynamic"
    need "$program" "no -z relro" GNU_RELRO "$segments"
    need "$program" "the stack can be executed" 'GNU_STACK.* RW +0x' "$segments"
    symbols=$(readelf --dyn-syms -W "$program")
    need "$program" "no -fstack-protector-strong" __stack_chk_fail "$symbols"
    ! grep -q '_chk@' <<<"$symbols" || fortified=1
    if [ "$(uname -m)" = x86_64 ] && command -v objdump >/dev/null; then
        need "$program" "main is no marked target of a call: -fcf-protection" endbr64 \
            "$(objdump -d --no-show-raw-insn --disassemble=main "$program")"
    fi
done
[ -n "$fortified" ] || { echo "no checked copy anywhere: _FORTIFY_SOURCE"; missing=1; }

# What leaves no mark in a program: the compiler was told to, if it knows how.
for flag in -fstack-clash-protection -ftrivial-auto-var-init=zero -fcf-protection=full; do
    if echo 'int x;' | cc -Werror $flag -x c -c -o "$work/x.o" - 2>/dev/null; then
        need "$build" "not compiled with $flag" "$flag" "$(cat "$build/compile_commands.json")"
    else
        echo "not looked for: this compiler does not know $flag"
    fi
done
exit $missing
