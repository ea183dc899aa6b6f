#!/usr/bin/env bash
# Compile and link, or analyse what the suite is on macOS, without a Mac.
#
#     tests/darwin/cross.sh layout|link|analyze FOLDER
#
# FOLDER/programs/*.sources, written by CMake, says what each program is made of. The cross compiler is
# zig's clang with Apple's libc headers (tests/tools/python_env.sh installs it); where it is missing the
# test is skipped (77), in CI it fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
task=$1
folder=$2
out=$folder/$task
python=$root/.cache/venv/bin/python
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
zig_home=$("$python" -c 'import ziglang, os; print(os.path.dirname(ziglang.__file__))')
export ZIG_LOCAL_CACHE_DIR=$root/.cache/zig ZIG_GLOBAL_CACHE_DIR=$root/.cache/zig
export out
mkdir -p "$out"

# The flags of deploy/cmake/toolchain.cmake; a call newer than macOS 13 is an error.
defines=(-std=c17 -D_DARWIN_C_SOURCE '-DMLX_VERSION="0"' "-I$root")
warnings=(-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Werror -Wunguarded-availability
    -fno-common -fvisibility=hidden)
apple=(-isystem tests/darwin/include/apple)

cc() {
    "$zig_home/zig" cc "$@"
}

# Headers of the libraries, apart: the rest of /usr/include is Linux's and must not be seen.
library_headers() {
    local to=$out/headers name dir
    mkdir -p "$to"
    for name in czmq.h czmq_library.h czmq_prelude.h zmq.h zmq_utils.h msgpack.h msgpack jansson.h \
        jansson_config.h yaml.h sqlite3.h microhttpd.h openssl curl ncurses.h curses.h \
        ncurses_dll.h unctrl.h; do
        for dir in /usr/include "/usr/include/$(gcc -print-multiarch 2>/dev/null)"; do
            [ ! -e "$dir/$name" ] || cp -rLu "$dir/$name" "$to/"
        done
    done
    # czmq has one header for each of its classes.
    sed -n 's/^# *include "\(z[a-z0-9_]*\.h\)".*/\1/p' "$to/czmq_library.h" "$to/czmq.h" |
        while read -r name; do
            [ ! -e "/usr/include/$name" ] || cp -u "/usr/include/$name" "$to/"
        done
    apple+=(-isystem "$to")
}

# One object of SOURCE for TARGET; quiet unless it fails.
compile_one() {
    local target=$1 source=${2#"$root"/}
    mkdir -p "$out/$target"
    cc -target "$target" "${defines[@]}" "${warnings[@]}" "${apple[@]}" -c "$source" \
        -o "$out/$target/${source//\//_}.o"
}

compile() {
    local target source status=0
    for target in $targets; do
        for source in "$@"; do
            compile_one "$target" "$source" || status=1
        done
    done
    [ $status -eq 0 ] || { echo "FAILED: see above"; exit 1; }
    echo "compiled $# files for: $targets"
}

# What the programs are made of, and what no program is yet, each file once.
all_sources() {
    { cat "$folder"/programs/*.sources; find "$root"/{common,services,tools} -name '*_darwin.c'; } |
        sort -u
}

# A text stub that exports what the Linux library does: a call that it does not have does not link.
library_stub() {
    local name=$1 file symbols
    file=$(readlink -f "$(gcc -print-file-name="lib$name.so")")
    # Some are text for the linker; the library itself lies beside it.
    [ "$(head -c4 "$file" | tail -c3)" = ELF ] || file=$(ls "$(dirname "$file")/lib$name.so."* | head -1)
    symbols=$(nm -D --defined-only "$file" | awk '$2 ~ /[TDBRVW]/ { sub(/@.*/, "", $3); print "_" $3 }' |
        sort -u | paste -sd, | sed 's/,/, /g')
    mkdir -p "$out/stubs"
    cat >"$out/stubs/lib$name.tbd" <<STUB
--- !tapi-tbd
tbd-version: 4
targets: [ x86_64-macos, arm64-macos ]
install-name: '/opt/homebrew/lib/lib$name.dylib'
current-version: 1
compatibility-version: 1
exports:
  - targets: [ x86_64-macos, arm64-macos ]
    symbols: [ $symbols ]
...
STUB
}

link_one() {
    local target=$1 list=$2 program objects
    program=$out/$(basename "$list" .sources).$target
    mapfile -t objects < <(sed "s|^$root/||; s|/|_|g; s|^|$out/$target/|; s|\$|.o|" "$list")
    cc -target "$target" "${objects[@]}" -o "$program" -L "$out/stubs" "${libraries[@]/#/-l}" \
        -F tests/darwin/tbd -framework CoreFoundation -framework IOKit
    [ "$(od -An -tx1 -N4 "$program" | tr -d ' ')" = cffaedfe ] ||
        { echo "FAILED: $program is no 64-bit Mach-O"; exit 1; }
    echo "linked $(stat -c %s "$program") bytes: $(basename "$program")"
}

link() {
    local target list name
    local -a sources
    mapfile -t sources < <(all_sources)
    compile "${sources[@]}"
    libraries=(czmq zmq jansson yaml z curl sqlite3 microhttpd crypto ncursesw tinfo)
    # msgpack's C library was called msgpackc before version 5.
    [ -e "$(gcc -print-file-name=libmsgpack-c.so)" ] && libraries+=(msgpack-c) || libraries+=(msgpackc)
    for name in "${libraries[@]}"; do
        library_stub "$name"
    done
    for target in $targets; do
        for list in "$folder"/programs/*.sources; do
            link_one "$target" "$list"
        done
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

# Over the files that use Apple's interfaces. A planted leak first: an analyser that cannot see it
# proves nothing.
analyze() {
    local clang source
    local -a sources flags
    clang=$(command -v clang) ||
        { echo "SKIPPED: no clang for the static analyser"; exit 77; }
    mapfile -t sources < <(all_sources | grep -E '_darwin\.c$|/darwin_|/services/sampler/sensor_')
    flags=(--analyze -target arm64-apple-macos13 "${defines[@]}" -nostdlibinc
        -isystem tests/darwin/include/analyze
        -isystem "$zig_home/lib/libc/include/any-darwin-any" "${apple[@]}"
        -Xclang -analyzer-checker=osx,core,unix,deadcode -Xclang -analyzer-output=text -o /dev/null)
    "$clang" "${flags[@]}" tests/darwin/planted_static.c >"$out/planted.log" 2>&1
    grep -q 'Potential leak' "$out/planted.log" ||
        { echo "FAILED: the analyser does not see the planted leak"; exit 1; }
    for source in "${sources[@]}"; do
        "$clang" "${flags[@]}" -Xanalyzer -analyzer-werror "$source"
    done
    echo "analysed ${#sources[@]} files"
}

library_headers
case $task in
layout) compile "$root/tests/darwin/layout.c" ;;
link) link ;;
analyze) analyze ;;
*)
    echo "cross.sh: unknown task $task" >&2
    exit 2
    ;;
esac
