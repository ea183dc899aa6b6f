#!/bin/bash
# A store on a volume of its own: mounted, away (its place an empty folder, or another volume's), and
# mounted again. What it uses is kept all the while. Needs root for its mounts; exits 77 where it cannot.
#
# usage: volumes.sh BIN_DIR
set -u
bin=$(cd "$1" && pwd)
[ "$(id -u)" = 0 ] || exit 77
command -v mkfs.ext4 >/dev/null || exit 77
name=volumes
. "$(dirname "$0")/box.sh"
place=$work/home/.lmstudio/models
mounts=("$place")
mlx() {
    OLLAMA_HOST=127.0.0.1:1 OLLAMA_MODELS=$work/ollama HOME=$work/home \
        "$bin/mlx-cache" --dir "$work/cache" "$@"
}
gguf() { # path, number of elements
    python3 - "$1" "$2" <<'PY'
import struct, sys
n = int(sys.argv[2])
head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", 1) + b"w" + \
    struct.pack("<IQIQ", 1, n, 0, 0)
head += b"\0" * (-len(head) % 32)
open(sys.argv[1], "wb").write(head + b"\x5a" * (4 * n))
PY
}
volume() { # name
    truncate -s 32M "$work/$1.img" && mkfs.ext4 -q "$work/$1.img" >/dev/null 2>&1
}

mkdir -p "$place"
volume first && volume second || exit 77
mount -o loop "$work/first.img" "$place" 2>/dev/null || exit 77
gguf "$work/linked.gguf" 1000
gguf "$work/copied.gguf" 2000
gguf "$work/free.gguf" 3000
mlx add "$work"/{linked,copied,free}.gguf >/dev/null 2>&1 || fail "add"
mlx link --copy lmstudio local/copied >/dev/null || fail "link --copy"
mkdir -p "$place/me/mine"
blob=$(cd "$work/cache/blobs" && find "$PWD" -samefile "$work/cache/models/local--linked/linked.gguf")
[ -n "$blob" ] || blob=$work/cache/blobs/sha256/$(sha256sum "$work/linked.gguf" | cut -c1-2)/$(
    sha256sum "$work/linked.gguf" | cut -d' ' -f1)
ln -s "$blob" "$place/me/mine/linked.gguf"
mlx status >/dev/null 2>"$work/err" || fail "status: $(cat "$work/err")"
grep -q offline "$work/err" && fail "offline while it is mounted"

kept() { # when
    mlx status >"$work/out" 2>"$work/err" || fail "status $1"
    grep -q "local/linked.*lmstudio (offline)" "$work/out" || fail "$1: $(cat "$work/out")"
    grep -q "local/copied.*lmstudio (offline)" "$work/out" || fail "$1: $(cat "$work/out")"
    grep -q "not mounted.*mount it again" "$work/err" || fail "no hint $1: $(cat "$work/err")"
    mlx doctor >"$work/out" && fail "the doctor finds nothing $1"
    grep -q "lmstudio.*offline" "$work/out" || fail "doctor $1: $(cat "$work/out")"
    mlx --json clean --yes --older-than 0 >"$work/out" || fail "clean $1"
    grep -q '"offline": *true' "$work/out" || fail "clean says nothing $1: $(cat "$work/out")"
    [ -f "$blob" ] || fail "clean freed what a link uses, $1"
    mlx stats | grep -q "local/copied" || fail "clean forgot a linked model, $1"
    mlx remove local/linked >"$work/out" 2>&1
    [ -f "$blob" ] || fail "remove freed what a link uses, $1"
    grep -q "still used" "$work/out" || fail "remove says nothing $1: $(cat "$work/out")"
    mlx undo >/dev/null 2>&1 || fail "undo of remove $1"
}

umount "$place" || fail "umount"
[ -d "$place" ] && [ -z "$(ls -A "$place")" ] || fail "the place is not an empty folder"
kept "with an empty folder in its place"
mlx status | grep -q local/free && fail "clean kept what nothing uses"
mount -o loop "$work/second.img" "$place" || fail "second mount"
kept "with another volume in its place"
umount "$place"
rmdir "$place"
kept "without its place"
echo "ok: a store that is away keeps what it uses"

mkdir -p "$place"
mount -o loop "$work/first.img" "$place" || fail "mount again"
mlx status >"$work/out" 2>"$work/err" || fail "status"
grep -q offline "$work/out" "$work/err" && fail "offline though it is back"
cmp -s "$place/me/mine/linked.gguf" "$work/linked.gguf" || fail "the link leads nowhere"
mlx doctor | grep -q offline && fail "doctor though it is back"
echo "ok: mounted again, all of it is there"

umount "$place"
mlx unlink lmstudio "$place" >/dev/null || fail "forgetting it"
mlx status 2>&1 | grep -q offline && fail "offline though it was forgotten"
mlx clean --yes --older-than 0 >/dev/null || fail "clean"
[ -e "$blob" ] && fail "kept though it was forgotten"
echo "ok: a volume that is gone for good is forgotten when it is said so"
