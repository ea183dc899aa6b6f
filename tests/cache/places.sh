#!/bin/bash
# Places where sharing is different or impossible, on real file systems: XFS and btrfs (blocks shared),
# a full disk, a read-only store, two devices. Needs root for its mounts; exits 77 where it cannot.
#
# usage: places.sh BIN_DIR TEST_PROGRAM...
set -u
bin=$(cd "$1" && pwd)
[ "$(id -u)" = 0 ] || exit 77
name=places
. "$(dirname "$0")/box.sh"
mount_at() { # name, mount arguments
    mkdir -p "$work/$1"
    mount "${@:2}" "$work/$1" 2>/dev/null || return 1
    mounts+=("$work/$1")
}

# The same tests as everywhere, where clones are possible.
tried=0
for kind in xfs btrfs; do
    command -v "mkfs.$kind" >/dev/null || continue
    truncate -s 400M "$work/$kind.img"
    "mkfs.$kind" -q "$work/$kind.img" >/dev/null 2>&1 || continue
    mount_at "$kind" -o loop "$work/$kind.img" || continue
    tried=1
    for test in "${@:2}"; do
        TMPDIR=$work/$kind "$test" >"$work/log" 2>&1 ||
            { cat "$work/log"; fail "$kind"; }
    done
    echo "ok: the cache's tests on $kind"
done

mount_at small -t tmpfs -o size=3m tmpfs || exit 77
mount_at other -t tmpfs -o size=64m tmpfs || exit 77
mlx() { OLLAMA_HOST=127.0.0.1:1 HOME=$work/other/home "$bin/mlx-cache" --dir "$work/cache" "$@"; }

# A GGUF file: magic, version 3, one F32 tensor, no keys.
gguf() { # path, number of elements
    mkdir -p "$(dirname "$1")"
    python3 - "$1" "$2" <<'PY'
import struct, sys
n = int(sys.argv[2])
head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", 1) + b"w" + \
    struct.pack("<IQIQ", 1, n, 0, 0)
head += b"\0" * (-len(head) % 32)
open(sys.argv[1], "wb").write(head + b"\x5a" * (4 * n))
PY
}

# Two devices: no silent copy; --copy is one.
gguf "$work/other/model.gguf" 100000
out=$(mlx add "$work/other/model.gguf" 2>&1) && fail "a file of another device was copied silently"
grep -q -- "--copy" <<<"$out" || fail "no hint for another device: $out"
mlx add --copy "$work/other/model.gguf" >/dev/null || fail "add --copy"
mlx verify --full >/dev/null || fail "verify after a copy"
echo "ok: two devices"

# A link across devices is refused with the reason, and with --copy made.
out=$(mlx link lmstudio local/model 2>&1) && fail "linked across devices without a word"
mlx link --copy lmstudio local/model >/dev/null || fail "link --copy"
cmp -s "$work/other/model.gguf" "$work/other/home/.lmstudio/models/local/model/model.gguf" ||
    fail "the copy differs"
echo "ok: link across devices"

# A disk that fills: nothing half is left, the hint is said, and the next try on a larger one works.
gguf "$work/large.gguf" 2000000
out=$("$bin/mlx-cache" --dir "$work/small/cache" add --copy "$work/large.gguf" 2>&1)
[ $? = 1 ] || fail "status of a full disk: $out"
grep -q "free some disk space" <<<"$out" || fail "no hint for a full disk: $out"
[ -z "$(find "$work/small/cache/blobs" -type f)" ] || fail "a half blob is visible"
echo "ok: a full disk"

# A disk that others filled to the last byte: everything can be asked, and models can be removed.
mount_at filled -t tmpfs -o size=8m tmpfs || exit 77
full() { OLLAMA_HOST=127.0.0.1:1 HOME=$work/filled "$bin/mlx-cache" --dir "$work/filled/cache" "$@"; }
full add --copy "$work/other/model.gguf" >/dev/null || fail "add before the disk is full"
dd if=/dev/zero of="$work/filled/others" bs=64k 2>/dev/null
for command in status status verify clean "remove local/model"; do
    # shellcheck disable=SC2086
    out=$(full $command 2>&1) || fail "$command on a full disk: $out"
done
[ -z "$(find "$work/filled/cache/blobs" -type f)" ] || fail "remove freed nothing on a full disk"
[ -s "$work/filled/cache/reserve" ] || fail "the reserve was not taken again"
echo "ok: a full disk is freed"

# A store that is mounted read-only is read, and said to be so when it should be written.
mkdir -p "$work/other/home/.ollama/models/manifests" "$work/other/home/.ollama/models/blobs"
mount --bind "$work/other/home/.ollama" "$work/other/home/.ollama" &&
    mount -o remount,ro,bind "$work/other/home/.ollama" || exit 77
mounts+=("$work/other/home/.ollama")
mlx status >/dev/null || fail "status of a read-only store"
out=$(mlx link --copy --as model:1 ollama local/model 2>&1) && fail "wrote to a read-only store"
grep -q "read-only" <<<"$out" || fail "no reason for a read-only store: $out"
umount "$work/other/home/.ollama"
mlx link --copy --as model:1 ollama local/model >/dev/null || fail "link after it can be written"
echo "ok: a read-only store"

[ "$tried" = 1 ] || echo "no file system that shares blocks could be mounted: that part was not tried"
