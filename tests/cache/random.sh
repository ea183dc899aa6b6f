#!/bin/bash
# The random operations, faults and kills of test_random.c on ext4, btrfs and XFS. Needs root for its mounts;
# exits 77 where it cannot. MLX_TEST_ROUNDS: rounds of 40 operations on each (1; 84 make 10,000 in all).
#
# usage: random.sh BIN_DIR
set -u
bin=$(cd "$1" && pwd)
[ "$(id -u)" = 0 ] || exit 77
name=random
. "$(dirname "$0")/box.sh"
export MLX_TEST_ROUNDS=${MLX_TEST_ROUNDS:-1}
export MLX_TEST_SEED=${MLX_TEST_SEED:-$(date +%s)}
echo "seed $MLX_TEST_SEED"
tried=0
# In memory, where there is some: every change waits for its fsync.
images=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "$work")/mlx-random.XXXXXX") || exit 1
trap 'finish; rm -rf "$images"' EXIT
for kind in ext4 btrfs xfs; do
    command -v "mkfs.$kind" >/dev/null || continue
    truncate -s 400M "$images/$kind.img"
    "mkfs.$kind" -q "$images/$kind.img" >/dev/null 2>&1 || continue
    mkdir -p "$work/$kind"
    mount -o loop "$images/$kind.img" "$work/$kind" 2>/dev/null || continue
    mounts+=("$work/$kind")
    tried=1
    # An undo that was killed while it wrote a file whose inode number was used before; an adopt that
    # took what such an undo had begun for a file of the model.
    seeds=$MLX_TEST_SEED
    [ "$kind" = ext4 ] && seeds="770014 770227 $seeds"
    for seed in $seeds; do
        rounds=$MLX_TEST_ROUNDS
        [ "$seed" = "$MLX_TEST_SEED" ] || rounds=1
        TMPDIR=$work/$kind MLX_TEST_SEED=$seed MLX_TEST_ROUNDS=$rounds "$bin/test_cache_random" \
            >"$work/log" 2>&1 || { cat "$work/log"; fail "$kind, seed $seed"; }
    done
    echo "ok: $MLX_TEST_ROUNDS rounds on $kind"
done
[ "$tried" = 1 ] || exit 77
