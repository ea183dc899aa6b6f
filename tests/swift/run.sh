#!/usr/bin/env bash
# Builds and tests everything Swift; the last lines are `swift test`'s own summary.
#
#     tests/swift/run.sh           package, README's steps, views, templates, demos, documentation, tests
#     tests/swift/run.sh --tsan    and the threaded tests under the thread sanitizer
#     tests/swift/run.sh --live    and against real servers (tests/live; fetches 183 MB once)
#
# The C libraries are those that tests/run installs. SwiftPM builds in .build/swift, beside CMake's
# folders.
set -euo pipefail
cd "$(dirname "$0")/../.."

PATH=$PATH:/opt/swift/usr/bin
if ! command -v swift >/dev/null; then
    echo "swift: skipped: there is no Swift toolchain on this machine (swift.org/install)" >&2
    [ "${CI:-}" = true ] && exit 1
    exit 77
fi
tsan='' live=''
for argument in "$@"; do
    case $argument in
    --tsan) tsan=1 ;;
    --live) live=1 ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
export MLX_STRICT=1 # warnings are errors
jobs=$(getconf _NPROCESSORS_ONLN)
mkdir -p .build
log=$(mktemp -d "$PWD/.build/swift-run.XXXXXX")
# SwiftPM leaves locks and empty folders in the temporary folder: it gets one that goes with us. A short
# path: sockets of the tests lie in it.
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/mlx-swift.XXXXXX")
export TMPDIR
trap 'rm -rf "$log" "$TMPDIR"' EXIT

# quietly NAME COMMAND...: its output only when it fails, and a warning counts as failing.
quietly() {
    local name=$1 start=$SECONDS
    shift
    if ! "$@" >"$log/out" 2>&1 || grep -qE '(^|: )warning: ' "$log/out"; then
        cat "$log/out" >&2
        echo "swift: $name failed" >&2
        return 1
    fi
    echo "swift: $name: ok, $((SECONDS - start)) s"
}

check_install() {
    local folder="$log/templates"
    MLX_TEMPLATES_DIR=$folder templates/install.sh
    MLX_TEMPLATES_DIR=$folder templates/install.sh # again, over itself
    swift package --package-path "$folder/MLX/MLX App Base.xctemplate/Packages/LocalMLX" \
        --scratch-path "$log/local" show-dependencies | grep -q SwiftMLX
    MLX_TEMPLATES_DIR=$folder templates/install.sh --url https://example.org/mlx-suite.git
    grep -q 'package: "mlx-suite"' "$folder"/MLX/*Base*/Packages/LocalMLX/Package.swift
    MLX_TEMPLATES_DIR=$folder templates/install.sh --remove
    [ -z "$(ls -A "$folder")" ]
}

quietly build swift build --build-tests --jobs "$jobs" --scratch-path .build/swift
tests/swift/readme.py
quietly demos swift build --package-path templates/Examples --jobs "$jobs" --scratch-path .build/examples
quietly 'template installation' check_install
if [ "$(uname -s)" = Linux ]; then
    tests/swiftui/check.sh --prove
    tests/swift/docs.py .build/swiftui .build/docs
fi
deploy/macos/build --dry-run >"$log/out" 2>&1 || { cat "$log/out" >&2; exit 1; }
deploy/macos/build --dry-run --universal >"$log/out" 2>&1 || { cat "$log/out" >&2; exit 1; }
echo "swift: deploy/macos: dry run ok"
tests/swift/bundle.py
tests/swift/brew.py
# The daemons of tests/run, where they are built and Python has its packages (77: it has not).
bin=${MLX_BIN:-$PWD/.build/asan/bin}
if [ -x "$bin/mlx-cached" ]; then
    MLX_BIN=$bin tests/tools/with_python.sh tests/swift/cached.py || [ $? -eq 77 ]
fi
MLX_BIN=$bin tests/tools/with_python.sh tests/swift/hub.py || [ $? -eq 77 ]
if [ "$live" ]; then
    python=$(tests/live/env.sh) && "$python" tests/swift/live.py | grep -v '^+'
fi
if [ "$tsan" ]; then
    # The fuzzers have no threads and would starve those that have.
    TSAN_OPTIONS=halt_on_error=1 swift test --sanitize=thread --jobs "$jobs" \
        --scratch-path .build/swift-tsan --skip 'ParserTests|MarkdownTests|chunksOfRandomNonsense' \
        2>&1 | tee "$log/out" | grep -E '✘|SUMMARY|Test run with|^bus:'
fi
MLX_ALONE=1 swift test --skip-build --scratch-path .build/swift --filter tenThousandASecond \
    >"$log/out" 2>&1 || { cat "$log/out" >&2; exit 1; }
grep '^bus:' "$log/out"
swift test --jobs "$jobs" --scratch-path .build/swift 2>&1 | tee "$log/out" |
    grep -E '✘|error: |Test run with' || { tail -50 "$log/out" >&2; exit 1; }
