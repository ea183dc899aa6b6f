#!/usr/bin/env bash
# Compile, link or analyse the macOS sources without a Mac.
#
#     tests/darwin/cross.sh compile|layout|link|analyze OUTPUT_FOLDER
#
# The cross compiler is zig's clang with Apple's libc headers (tests/tools/python_env.sh installs it).
# Where it is not installed the test is skipped (77), in CI it fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
task=$1
out=$2
python=$PWD/.cache/venv/bin/python
targets="aarch64-macos.13.0 x86_64-macos.13.0"

no_compiler() {
    if [ "${CI:-}" = true ]; then
        echo "FAILED: CI must have the macOS cross compiler: run tests/tools/python_env.sh first"
        exit 1
    fi
    echo "SKIPPED: no macOS cross compiler (tests/tools/python_env.sh installs it)"
    exit 77
}

"$python" -m ziglang version >/dev/null 2>&1 || no_compiler
export ZIG_LOCAL_CACHE_DIR=$PWD/.cache/zig ZIG_GLOBAL_CACHE_DIR=$PWD/.cache/zig
mkdir -p "$out"

# The flags of deploy/cmake/toolchain.cmake, and calls newer than macOS 13 are errors.
defines=(-std=c17 -D_DARWIN_C_SOURCE '-DMLX_VERSION="0"' -I.)
warnings=(-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Werror -Wunguarded-availability
    -fno-common -fvisibility=hidden)
apple=(-isystem tests/darwin/include/apple)

sensors=$(ls services/sampler/darwin_*.c \
    services/sampler/sensor_{battery,hid,ioaccel,ioreport,mach,smc}.c)
sources="$(find common services tools -name '*_darwin.c') $sensors"

cc() {
    "$python" -m ziglang cc "$@"
}

# Objects of the sources given, one for each target.
compile() {
    local target source object
    for target in $targets; do
        for source in "$@"; do
            object=$out/$target/${source//\//_}.o
            mkdir -p "$out/$target"
            cc -target "$target" "${defines[@]}" "${warnings[@]}" "${apple[@]}" -c "$source" \
                -o "$object"
        done
    done
    echo "compiled $# files for: $targets"
}

link() {
    local portable="proto/base.c proto/buf.c proto/error.c proto/json.c proto/value.c
        services/sampler/readings.c services/sampler/sensor.c tests/sensors/dump.c"
    local target program
    # shellcheck disable=SC2086 # lists of names without blanks
    compile $portable $sources
    for target in $targets; do
        program=$out/dump.$target
        cc -target "$target" "$out/$target"/*.o -o "$program" -F tests/darwin/tbd \
            -framework CoreFoundation -framework IOKit
        file "$program" | grep -q 'Mach-O 64-bit' || { echo "FAILED: $program is no Mach-O"; exit 1; }
        grep -aq /System/Library/Frameworks/IOKit.framework/Versions/A/IOKit "$program"
        echo "linked $(stat -c %s "$program") bytes: $program"
    done
    refuse_unknown
}

# The stubs are an allow-list: a misspelled call must not link.
refuse_unknown() {
    echo 'void IOObjectReleese(unsigned); int main(void) { IOObjectReleese(0); }' >"$out/typo.c"
    if cc -target aarch64-macos.13.0 "$out/typo.c" -o "$out/typo" -F tests/darwin/tbd \
        -framework IOKit >"$out/typo.log" 2>&1; then
        echo "FAILED: a misspelled IOKit call links"
        exit 1
    fi
    grep -q IOObjectReleese "$out/typo.log"
}

# A planted leak first: an analyser that cannot see it proves nothing.
analyze() {
    local headers source clang
    clang=$(command -v clang-14 || command -v clang) || no_compiler
    headers=$("$python" -c 'import ziglang, os; print(os.path.dirname(ziglang.__file__))')
    headers=$headers/lib/libc/include/any-darwin-any
    flags=(--analyze -target arm64-apple-macos13 "${defines[@]}" -nostdlibinc
        -isystem tests/darwin/include/analyze -isystem "$headers" "${apple[@]}"
        -Xclang -analyzer-checker=osx,core,unix,deadcode -Xclang -analyzer-output=text -o /dev/null)
    "$clang" "${flags[@]}" tests/darwin/planted_static.c 2>&1 | grep -q 'Potential leak' ||
        { echo "FAILED: the analyser does not see the planted leak"; exit 1; }
    for source in $sources; do
        "$clang" "${flags[@]}" -Xanalyzer -analyzer-werror "$source"
    done
    echo "analysed: $sources"
}

case $task in
# shellcheck disable=SC2086
compile) compile $sources ;;
layout) compile tests/darwin/layout.c ;;
link) link ;;
analyze) analyze ;;
*) echo "cross.sh: unknown task $task" >&2; exit 2 ;;
esac
