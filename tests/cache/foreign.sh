#!/bin/bash
# Files of another user, with real users: a cache of one, an Ollama store of another, protected hard
# links on. What cannot be done says why and what to do, and changes nothing. Needs root to become
# those users, and fs.protected_hardlinks; exits 77 where it has not.
#
# usage: foreign.sh BIN_DIR
set -u
bin=$(cd "$1" && pwd)
skip() {
    echo "skipped: $*"
    exit 77
}
[ "$(id -u)" = 0 ] || skip "this needs root, to run as other users"
command -v setpriv >/dev/null || skip "there is no setpriv"
[ "$(cat /proc/sys/fs/protected_hardlinks 2>/dev/null)" = 1 ] || skip "fs.protected_hardlinks is off"
name=foreign
. "$(dirname "$0")/box.sh"

# Any numbers do: nobody needs a name.
me=54321 owner=54322
chmod 755 "$work"
mkdir -p "$work/bin" "$work/libexec"
cp "$bin/mlx-cache" "$work/bin/" && cp -r "$bin/../libexec/mlx" "$work/libexec/" || exit 1
store=$work/ollama/.ollama/models
mkdir -p "$work/home/in" "$store/blobs" "$store/manifests/registry.ollama.ai/library/m"
mkdir -m 1777 "$work/gcov" "$work/run" # a coverage build and the programs write where their user may
as() { # user, command
    env -u HF_HOME -u HF_HUB_CACHE -u XDG_CACHE_HOME -u XDG_CONFIG_HOME OLLAMA_HOST=127.0.0.1:1 \
        OLLAMA_MODELS="$store" HOME="$work/home" ASAN_OPTIONS=detect_leaks=0 GCOV_PREFIX="$work/gcov/$1" \
        MLX_RUNTIME_DIR="$work/run/$1" \
        setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"
}
as "$me" "$work/bin/mlx-cache" --version >/dev/null 2>&1 || skip "a program of another user does not run here"
mlx() { as "$me" "$work/bin/mlx-cache" "$@"; }

# A model in the Ollama store, the same bytes in a folder of mine, and another model.
python3 - "$store" "$work/home/in" <<'PY'
import hashlib, json, os, struct, sys
store, mine = sys.argv[1:]
def gguf(fill):
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", 1) + b"w" + \
        struct.pack("<IQIQ", 1, 100000, 0, 0)
    head += b"\0" * (-len(head) % 32)
    return head + fill * 400000
def blob(data):
    digest = hashlib.sha256(data).hexdigest()
    open("%s/blobs/sha256-%s" % (store, digest), "wb").write(data)
    return {"digest": "sha256:" + digest, "size": len(data)}
config = dict(blob(b'{"model_format":"gguf"}'), mediaType="application/vnd.docker.container.image.v1+json")
layer = dict(blob(gguf(b"a")), mediaType="application/vnd.ollama.image.model")
json.dump({"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
           "config": config, "layers": [layer]},
          open(store + "/manifests/registry.ollama.ai/library/m/t", "w"))
open(mine + "/same.gguf", "wb").write(gguf(b"a"))
open(mine + "/other.gguf", "wb").write(gguf(b"b"))
os.makedirs(os.path.dirname(mine) + "/.lmstudio/models/pub/same")
open(os.path.dirname(mine) + "/.lmstudio/models/pub/same/m.gguf", "wb").write(gguf(b"a"))
PY
chown -R $me:$me "$work/home"
chown -R $owner:$owner "$work/ollama"

# All of the store: names, owners, modes, times, inodes, link counts, contents.
print() {
    find "$store" -printf '%p %u %m %T@ %i %n\n' | sort
    find "$store" -type f -exec sha256sum {} + | sort
}
print >"$work/before"
unchanged() {
    print | diff "$work/before" - || fail "$1 changed the other user's store"
    [ -z "$(find "$work/home/.mlx-cache/tmp" -type f)" ] || fail "$1 left a file in tmp"
}
refused() { # status, words of the reason, command...
    local status=$1 words=$2 out rc
    shift 2
    out=$(mlx "$@" 2>&1 >/dev/null)
    rc=$?
    [ $rc = "$status" ] || fail "$*: status $rc instead of $status: $out"
    out=$(grep -v "  verified  (" <<<"$out")
    [ "$(wc -l <<<"$out")" = 1 ] || fail "$*: not one line: $out"
    grep -qE -- "$words" <<<"$out" || fail "$*: $out"
    unchanged "$*"
    echo "ok: $*: ${out#mlx-cache: }" | sed "s,$work/,,g"
}

refused 1 'another user: .*sudo -u.*group.*--copy' adopt ollama m:t
mlx add "$work/home/in/other.gguf" --as org/other >/dev/null || fail "add of a file of one's own"
refused 1 'owner|group|sudo' link ollama org/other --as mine:t
refused 1 'owner|group|sudo' link --copy ollama org/other --as mine:t

# The duplicate of my own is shared with the store's blob only by a way that leaves the owner alone:
# a clone. A hard link would be refused by the kernel, or share owner and mode.
# Where there are no clones dedup plans nothing.
out=$(mlx --json dedup --apply 2>&1)
rc=$?
[ $rc = 0 ] || fail "dedup: status $rc: $out"
grep -q '"state":"done"' <<<"$out" || grep -q '"steps":\[\].*"freed":0' <<<"$out" || fail "dedup: $out"
unchanged dedup
cmp -s "$work/home/.lmstudio/models/pub/same/m.gguf" "$work/home/in/same.gguf" || fail "dedup lost bytes"
echo "ok: dedup changes nothing of another user's"

# With --copy it is one's own.
mlx adopt --copy ollama m:t >/dev/null || fail "adopt --copy"
unchanged "adopt --copy"
mlx verify --full >/dev/null || fail "verify"
mlx clean --yes --older-than 0 >/dev/null || fail "clean"
unchanged clean
mlx status >/dev/null || fail "status"
echo "ok: adopt --copy, clean and status leave the store alone"

# A cache of another user, one that others may write to, a store that may not be read.
refused 2 'another user.*MLX_CACHE_DIR|MLX_CACHE_DIR' --dir "$work/ollama" status
chmod 777 "$work/home/.mlx-cache"
refused 2 'chmod go-w' clean
chmod 700 "$work/home/.mlx-cache" "$store/manifests"
print >"$work/before"
mlx status >/dev/null 2>&1 || fail "status beside a store that may not be read"
mlx add "$work/home/in/same.gguf" --as org/same >/dev/null || fail "add beside such a store"
mlx clean --yes --older-than 0 >/dev/null || fail "clean beside a store that may not be read"
unchanged "clean beside a store that may not be read"
chmod 755 "$store/manifests"
print >"$work/before"
echo "ok: foreign caches are refused, a store that may not be read is left alone"

# Read-only, and on another device, as that user.
chown -R $me:$me "$work/ollama"
if mount --bind "$work/ollama" "$work/ollama" 2>/dev/null &&
    mount -o remount,ro,bind "$work/ollama" 2>/dev/null; then
    mounts+=("$work/ollama")
    print >"$work/before"
    mlx add "$work/home/in/other.gguf" --as org/other >/dev/null || fail "add"
    refused 1 'read-only' link ollama org/other --as mine:t
    umount "$work/ollama"
else
    echo "no bind mounts here: the read-only store was not tried"
fi
mkdir "$work/device"
if mount -t tmpfs -o size=8m,mode=755,uid=$me,gid=$me tmpfs "$work/device" 2>/dev/null; then
    mounts+=("$work/device")
    print >"$work/before"
    mlx add "$work/home/in/other.gguf" --as org/other >/dev/null || fail "add"
    refused 1 'different file systems; or --copy' link --store "$work/device" lmstudio org/other
    [ -z "$(find "$work/device" -type f)" ] || fail "something is left on the other device"
    as "$me" cp "$work/home/in/same.gguf" "$work/device/there.gguf"
    refused 1 'different file systems; or --copy' add "$work/device/there.gguf" --as org/there
else
    echo "no tmpfs here: another device was not tried"
fi
