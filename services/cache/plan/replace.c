#include "services/cache/plan/replace.h"

#include "services/cache/plan/fsys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int check_content(const mlx_replace_t *self, int fd, const char *rel, struct stat *st,
                         mlx_error_t *err)
{
    char hex[MLX_HEX_MAX];
    if (mlx_digest_fd(fd, MLX_SHA256, hex, NULL, self->stop, self->stop_arg, err))
        return -1;
    if (fstat(fd, st) != 0)
        return mlx_fs_error(err, errno, "examine", rel);
    if (strcmp(hex, self->step->sha256) == 0)
        return 0;
    mlx_error_set(err, MLX_ERR_DATA_LOSS, "the content of %s does not match its name or record",
                  rel);
    return mlx_error_hint(err, "mlx-cache verify --repair explains and repairs it");
}

/*  Open REL and see that it has the wanted content. The fd, or -1. */
static int open_verified(const mlx_replace_t *self, const mlx_root_t *root, const char *rel,
                         struct stat *st, mlx_error_t *err)
{
    int fd = mlx_fs_open(root, rel, err);
    if (fd >= 0 && check_content(self, fd, rel, st, err))
        mlx_close_p(&fd);
    return fd;
}

static int open_target(const mlx_replace_t *self, struct stat *st, mlx_error_t *err)
{
    const char *path = self->step->path;
    if (!self->mends)
        return open_verified(self, self->root, path, st, err);
    int fd = mlx_fs_open(self->root, path, err);
    if (fd >= 0 && fstat(fd, st) != 0) {
        mlx_fs_error(err, errno, "examine", path);
        mlx_close_p(&fd);
    }
    return fd;
}

/*  Does PATH still name the file that ST was taken of, unchanged (its ctime too, if asked). */
static int is_still(const mlx_root_t *root, const char *path, const mlx_identity_t *was, bool ctime,
                    mlx_error_t *err)
{
    struct stat st;
    int there = mlx_fs_stat(root, path, &st, err);
    if (there < 0)
        return -1;
    mlx_identity_t now = {0};
    if (there)
        now = mlx_identity_of(&st);
    if (!ctime)
        now.ctime_ns = was->ctime_ns;
    if (!mlx_identity_same(&now, was))
        return mlx_error_set(err, MLX_ERR_FAILED, "%s changed while it was being examined", path);
    return 0;
}

static int check_pair(const mlx_replace_t *self, const struct stat *old, const struct stat *source,
                      mlx_error_t *err)
{
    mlx_identity_t a = mlx_identity_of(old), b = mlx_identity_of(source);
    if (mlx_identity_same_inode(&a, &b))
        return mlx_error_set(err, MLX_ERR_FAILED, "%s is already the same file", self->step->path);
    if (old->st_size <= 0 && !self->mends)
        return mlx_error_set(err, MLX_ERR_FAILED, "%s is empty", self->step->path);
    return 0;
}

bool mlx_replace_fits(const struct stat *old, const struct stat *source)
{
    mode_t was = old->st_mode & 07777, is = source->st_mode & 07777;
    return old->st_uid == source->st_uid && old->st_gid == source->st_gid &&
           (is == was || is == (was & ~(mode_t)0222));
}

/*  A hard link shares owner and mode. */
static int make_twin(const mlx_replace_t *self, const struct stat *old, const struct stat *source,
                     mlx_error_t *err)
{
    mlx_cache_step_t *step = self->step;
    if (step->methods & MLX_METHOD_CLONE) {
        int rc = mlx_fs_clone(self->fs, self->from, step->source, self->root, self->temporary, err);
        step->method = MLX_METHOD_CLONE;
        if (rc <= 0)
            return rc ? -1 : mlx_fs_dress(self->fs, self->root, self->temporary, old, err);
    }
    if (step->methods & MLX_METHOD_COPY) {
        step->method = MLX_METHOD_COPY;
        return mlx_fs_copy(self->fs, self->from, step->source, self->root, self->temporary, err) ||
                       mlx_fs_dress(self->fs, self->root, self->temporary, old, err)
                   ? -1
                   : 0;
    }
    if (!(step->methods & MLX_METHOD_HARDLINK))
        return mlx_error_set(err, MLX_ERR_FAILED, "this file system cannot share blocks");
    if (!mlx_replace_fits(old, source))
        return mlx_error_set(err, MLX_ERR_FAILED,
                             "%s has a different owner or mode, which a link would share",
                             step->path);
    step->method = MLX_METHOD_HARDLINK;
    return mlx_fs_link(self->fs, self->from, step->source, self->root, self->temporary, err) ? -1
                                                                                             : 0;
}

static int note_twin(const mlx_replace_t *self, mlx_error_t *err)
{
    struct stat st;
    if (mlx_fs_stat(self->root, self->temporary, &st, err) <= 0)
        return -1;
    self->step->made = mlx_identity_of(&st);
    return self->staged(self->arg, err);
}

static int swap_in(const mlx_replace_t *self, const mlx_identity_t *old, mlx_error_t *err)
{
    const char *path = self->step->path;
    if (is_still(self->root, path, old, true, err) ||
        mlx_fs_exchange(self->fs, self->root, self->temporary, path, err))
        return -1;
    /* The exchange itself moves the ctime. */
    if (is_still(self->root, self->temporary, old, false, err)) {
        mlx_fs_exchange(self->fs, self->root, self->temporary, path, NULL);
        return -1;
    }
    const char *slash = strrchr(path, '/');
    MLX_CLEANUP(mlx_free_p) char *parent = mlx_strndup(path, slash ? (size_t)(slash - path) : 0);
    if (mlx_fs_sync_dir(self->fs, self->root, parent, err))
        return -1;
    return mlx_fs_unlink(self->fs, self->root, self->temporary, old, err);
}

/*  1: the file system cannot. */
static int share_in_place(const mlx_replace_t *self, int source, int target, mlx_error_t *err)
{
    mlx_cache_step_t *step = self->step;
    if (!(step->methods & MLX_METHOD_CLONE))
        return 1;
    if (mlx_fs_gate(self->fs, "dedupe", step->path, err))
        return -1;
    int why = mlx_fsys_dedupe(source, target, step->size);
    if (why == EILSEQ)
        return mlx_error_set(err, MLX_ERR_FAILED, "%s changed while it was being examined",
                             step->path);
    if (why)
        return 1;
    step->method = MLX_METHOD_CLONE;
    step->made = step->old;
    return 0;
}

int mlx_replace_do(const mlx_replace_t *self, mlx_error_t *err)
{
    mlx_cache_step_t *step = self->step;
    struct stat source_st = {0}, old_st = {0};
    MLX_CLEANUP(mlx_close_p)
    int source = open_verified(self, self->from, step->source, &source_st, err);
    if (source < 0)
        return -1;
    MLX_CLEANUP(mlx_close_p)
    int target = open_target(self, &old_st, err);
    if (target < 0 || check_pair(self, &old_st, &source_st, err))
        return -1;
    mlx_identity_t old = mlx_identity_of(&old_st);
    if (!mlx_identity_same_inode(&old, &step->old))
        return mlx_error_set(err, MLX_ERR_FAILED, "%s has been replaced since the plan was made",
                             step->path);
    int rc = self->mends ? 1 : share_in_place(self, source, target, err);
    if (rc <= 0)
        return rc;
    rc = make_twin(self, &old_st, &source_st, err) || note_twin(self, err) ||
         swap_in(self, &old, err);
    if (rc) {
        bool ignored;
        mlx_replace_recover(self, &ignored, NULL);
    }
    return rc ? -1 : 0;
}

/*  The old file may have been written to in the moment before the exchange: then it comes back,
 *  also where the app has removed the twin since. Only between staging and the end of a step can
 *  the temporary be the old file: that of an undo is a copy that a crash left unfinished, and a
 *  file system that uses inode numbers again may have given it the old file's. */
static int restore_if_changed(const mlx_replace_t *self, mlx_error_t *err)
{
    struct stat st, target;
    if (self->step->state != MLX_STATE_STAGED)
        return 0;
    int there = mlx_fs_stat(self->root, self->temporary, &st, err);
    if (there <= 0)
        return there;
    mlx_identity_t now = mlx_identity_of(&st);
    const mlx_identity_t *old = &self->step->old;
    if (!mlx_identity_same_inode(&now, old) ||
        (now.size == old->size && now.mtime_ns == old->mtime_ns))
        return 0;
    there = mlx_fs_stat(self->root, self->step->path, &target, err);
    if (there == 0)
        return mlx_fs_move(self->fs, self->root, self->temporary, self->step->path, err);
    if (there < 0)
        return -1;
    return mlx_fs_exchange(self->fs, self->root, self->temporary, self->step->path, err) ? -1 : 0;
}

int mlx_replace_recover(const mlx_replace_t *self, bool *done, mlx_error_t *err)
{
    const mlx_cache_step_t *step = self->step;
    struct stat st;
    if (restore_if_changed(self, err))
        return -1;
    int there = mlx_fs_stat(self->root, step->path, &st, err);
    if (there < 0)
        return -1;
    mlx_identity_t now = {0};
    if (there)
        now = mlx_identity_of(&st);
    *done = there && step->made.ino && mlx_identity_same_inode(&now, &step->made);
    /* Either the twin, made for nothing, or the old file, replaced by a verified equal: in both
     * cases the target is sound without it. An exchange never leaves the target missing: then the
     * app has removed its model since, and a name that it does not know must not hold the bytes. */
    return mlx_fs_unlink(self->fs, self->root, self->temporary, NULL, err);
}

/*  A file of its own with the target's content, dressed as the target was. */
static int make_private(const mlx_replace_t *self, mlx_error_t *err)
{
    const mlx_cache_step_t *step = self->step;
    int rc = mlx_fs_clone(self->fs, self->root, step->path, self->root, self->temporary, err);
    if (rc > 0)
        rc = mlx_fs_copy(self->fs, self->root, step->path, self->root, self->temporary, err);
    struct stat st;
    if (rc)
        return -1;
    MLX_CLEANUP(mlx_close_p)
    int fd = open_verified(self, self->root, self->temporary, &st, err);
    if (fd < 0)
        return -1;
    st.st_mode = (mode_t)step->old_mode;
    mlx_fsys_set_mtime(&st, step->old.mtime_ns);
    return mlx_fs_dress(self->fs, self->root, self->temporary, &st, err);
}

int mlx_replace_undo(const mlx_replace_t *self, mlx_error_t *err)
{
    mlx_cache_step_t *step = self->step;
    /* Blocks shared in place need no undoing: whoever writes gets their own. */
    if (mlx_identity_same_inode(&step->made, &step->old))
        return 0;
    bool ours;
    if (mlx_replace_recover(self, &ours, err))
        return -1;
    if (!ours)
        return 0;
    if (make_private(self, err))
        return -1;
    struct stat st;
    if (mlx_fs_stat(self->root, step->path, &st, err) <= 0)
        return -1;
    mlx_identity_t linked = mlx_identity_of(&st);
    return swap_in(self, &linked, err);
}
