# Sourced by the tests that mount: a private folder $work, gone at the end with all that is mounted at
# "${mounts[@]}", and fail. The caller sets $name. Mounts are its own: those of a test that is killed go too.
if [ -z "${MLX_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
    MLX_OWN_MOUNTS=1 exec unshare --mount "$0" "$@"
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/mlx-$name.XXXXXX")
mounts=()
finish() {
    for m in "${mounts[@]}"; do umount -l "$m" 2>/dev/null; done
    rm -rf "$work"
}
trap finish EXIT
fail() {
    echo "FAILED: $*"
    exit 1
}
