#include "services/cache/store/store.h"

#include "services/cache/apps/adapter.h"
#include "services/cache/model/header.h"
#include "services/cache/store/hasher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int check_owner(const mlx_root_t *home, mlx_error_t *err)
{
    struct stat st;
    if (stat(mlx_root_path(home), &st) != 0)
        return mlx_fs_error(err, errno, "examine", mlx_root_path(home));
    if (st.st_uid != geteuid()) {
        mlx_error_set(err, MLX_ERR_USAGE, "%s belongs to another user", mlx_root_path(home));
        return mlx_error_hint(err, "set MLX_CACHE_DIR to a folder of your own");
    }
    if (st.st_mode & (S_IWGRP | S_IWOTH)) {
        mlx_error_set(err, MLX_ERR_USAGE, "%s is writable by other users", mlx_root_path(home));
        return mlx_error_hint(err, "chmod go-w %s", mlx_root_path(home));
    }
    return 0;
}

mlx_root_t *mlx_cache_store_open(const char *path, mlx_error_t *err)
{
    static const char *const folders[] = {"blobs/sha256", "models", "tmp", "partial"};
    static const mlx_fs_t fs = {0};
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        mlx_fs_error(err, errno, "make", path);
        return NULL;
    }
    mlx_root_t *home = mlx_root_open(path, err);
    bool sound = home && check_owner(home, err) == 0;
    for (size_t i = 0; sound && i < MLX_COUNT(folders); i++)
        sound = mlx_fs_mkdirs(&fs, home, folders[i], NULL, err) == 0;
    if (!sound)
        mlx_root_destroy(&home);
    return home;
}

int mlx_cache_store_has(const mlx_root_t *home, const char *sha256, uint64_t size, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_blob_path(sha256);
    struct stat st;
    int there = mlx_fs_stat(home, path, &st, err);
    if (there <= 0)
        return there;
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size == size)
        return 1;
    mlx_error_set(err, MLX_ERR_DATA_LOSS, "%s/%s has %lld bytes instead of %llu",
                  mlx_root_path(home), path, (long long)st.st_size, (unsigned long long)size);
    return mlx_error_hint(err, "mlx-cache verify --repair sets it aside");
}

mlx_blob_t mlx_cache_store_check(const mlx_engine_t *engine, const mlx_root_t *home,
                                 const char *sha256, uint64_t size, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_blob_path(sha256);
    char hex[MLX_HEX_MAX];
    struct stat st;
    int there = mlx_fs_stat(home, path, &st, err);
    if (there <= 0)
        return there ? MLX_BLOB_FAILED : MLX_BLOB_NONE;
    if (!S_ISREG(st.st_mode) || (size != MLX_BLOB_ANY && (uint64_t)st.st_size != size))
        return MLX_BLOB_DAMAGED;
    mlx_identity_t id = mlx_identity_of(&st);
    int known = mlx_registry_get_hash(engine->db, &id, hex, err);
    if (known < 0 ||
        (!known && mlx_hash_file(engine->db, home, path, engine->stop, engine->arg, hex, err)))
        return MLX_BLOB_FAILED;
    if (strcmp(hex, sha256) == 0)
        return MLX_BLOB_SOUND;
    /* A kept status does not know it. */
    mlx_db_run(engine->db, NULL, "DELETE FROM reports", "");
    return MLX_BLOB_DAMAGED;
}

int mlx_cache_store_set_aside(const mlx_engine_t *engine, const mlx_root_t *home,
                              const char *sha256, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_blob_path(sha256);
    MLX_CLEANUP(mlx_free_p) char *target = mlx_format("quarantine/%s", sha256);
    struct stat st;
    for (unsigned i = 1; mlx_fs_stat(home, target, &st, NULL) > 0; i++) {
        free(target);
        target = mlx_format("quarantine/%s.%u", sha256, i);
    }
    mlx_db_run(engine->db, NULL, "DELETE FROM reports", "");
    return mlx_fs_mkdirs(&engine->fs, home, "quarantine", NULL, err) ||
                   mlx_fs_move(&engine->fs, home, path, target, err)
               ? -1
               : 0;
}

/*  Room for a sound file of that name: 1 when there is one already, 0 when the place is free. */
static int make_place(const mlx_engine_t *engine, const mlx_root_t *home, const char *sha256,
                      uint64_t size, mlx_error_t *err)
{
    switch (mlx_cache_store_check(engine, home, sha256, size, err)) {
    case MLX_BLOB_SOUND:
        return 1;
    case MLX_BLOB_NONE:
        return 0;
    case MLX_BLOB_DAMAGED:
        return mlx_cache_store_set_aside(engine, home, sha256, err);
    default:
        return -1;
    }
}

bool mlx_cache_store_is_git(const mlx_root_t *home, const char *sha256, const char *etag)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_blob_path(sha256);
    MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(home, path, NULL);
    char hex[MLX_HEX_MAX];
    return fd >= 0 && mlx_digest_fd(fd, MLX_GIT_BLOB, hex, NULL, NULL, NULL, NULL) == 0 &&
           strcmp(hex, etag) == 0;
}

int mlx_cache_store_commit(mlx_engine_t *engine, const mlx_root_t *home, const char *temporary,
                           const char *sha256, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_blob_path(sha256);
    MLX_CLEANUP(mlx_free_p) char *folder = mlx_format("blobs/sha256/%.2s", sha256);
    struct stat st, now;
    if (mlx_fs_stat(home, temporary, &st, err) <= 0)
        return -1;
    int there = make_place(engine, home, sha256, (uint64_t)st.st_size, err);
    if (there < 0)
        return -1;
    if (there)
        return mlx_fs_unlink(&engine->fs, home, temporary, NULL, err);
    if (mlx_fs_mkdirs(&engine->fs, home, folder, NULL, err) ||
        mlx_fs_move(&engine->fs, home, temporary, path, err) ||
        mlx_fs_sync_dir(&engine->fs, home, folder, err) || mlx_fs_stat(home, path, &now, err) <= 0)
        return -1;
    mlx_identity_t id = mlx_identity_of(&now);
    return mlx_registry_put_hash(engine->db, &id, sha256, err);
}

static int take_in(mlx_engine_t *engine, const mlx_root_t *home, const mlx_root_t *root,
                   const char *path, const char *temporary, unsigned methods, mlx_error_t *err)
{
    int rc = 1;
    mlx_error_set(err, MLX_ERR_FAILED, "no permitted way to share %s", path);
    if (methods & MLX_METHOD_CLONE)
        rc = mlx_fs_clone(&engine->fs, root, path, home, temporary, err);
    if (rc > 0 && (methods & MLX_METHOD_HARDLINK))
        rc = mlx_fs_link(&engine->fs, root, path, home, temporary, err);
    if (rc > 0 && (methods & MLX_METHOD_COPY))
        rc = mlx_fs_copy(&engine->fs, root, path, home, temporary, err);
    if (rc > 0)
        return mlx_fs_or_copy(err);
    return rc;
}

static int check_content(const mlx_root_t *home, const char *temporary, const char *name,
                         const char *expected, const char *hex, mlx_error_t *err)
{
    if (*expected && strcmp(expected, hex) != 0) {
        mlx_error_set(err, MLX_ERR_DATA_LOSS, "%s has SHA-256 %.12s.. instead of %.12s..", name,
                      hex, expected);
        return mlx_error_hint(err, "the file is damaged: download it again");
    }
    MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(home, temporary, err);
    return fd < 0 ? -1 : mlx_header_check(fd, name, err);
}

/*  The hash of what is now at TEMPORARY: known if its source had a known hash and was not written
 *  to since. A hard link is the same inode, whose ctime the link itself moved. */
static int hash_taken(mlx_engine_t *engine, const mlx_root_t *home, const char *temporary,
                      const mlx_identity_t *source, const char *known, char hex[MLX_HEX_MAX],
                      mlx_error_t *err)
{
    struct stat st;
    if (mlx_fs_stat(home, temporary, &st, err) <= 0)
        return -1;
    mlx_identity_t now = mlx_identity_of(&st);
    if (!*known || !mlx_identity_same_inode(&now, source) || now.size != source->size ||
        now.mtime_ns != source->mtime_ns)
        return mlx_hash_file(engine->db, home, temporary, engine->stop, engine->arg, hex, err);
    snprintf(hex, MLX_HEX_MAX, "%s", known);
    return mlx_registry_put_hash(engine->db, &now, hex, err);
}

/*  The file that was taken in keeps its own name for those bytes: what was learned of it stands,
 *  though a link that came and went may have moved its ctime. */
static int keep_source_hash(mlx_engine_t *engine, const mlx_root_t *root, const char *path,
                            const mlx_identity_t *source, const char *hex, mlx_error_t *err)
{
    struct stat st;
    if (mlx_fs_stat(root, path, &st, NULL) <= 0)
        return 0;
    mlx_identity_t now = mlx_identity_of(&st);
    if (!mlx_identity_same_inode(&now, source) || now.size != source->size ||
        now.mtime_ns != source->mtime_ns)
        return 0;
    return mlx_registry_put_hash(engine->db, &now, hex, err);
}

int mlx_cache_store_adopt(mlx_engine_t *engine, const mlx_root_t *home, const mlx_root_t *root,
                          const char *path, const char *name, const char *expected,
                          unsigned methods, char hex[MLX_HEX_MAX], mlx_error_t *err)
{
    static const char temporary[] = "tmp/adopt";
    char known[MLX_HEX_MAX] = "";
    struct stat st;
    int there = mlx_fs_stat(root, path, &st, err);
    if (there <= 0)
        return there ? -1 : mlx_fs_error(err, ENOENT, "find", path);
    mlx_identity_t source = mlx_identity_of(&st);
    if (mlx_registry_get_hash(engine->db, &source, known, err) < 0)
        return -1;
    there = *known && (!*expected || strcmp(known, expected) == 0)
                ? make_place(engine, home, known, source.size, err)
                : 0;
    if (there) {
        memcpy(hex, known, sizeof known);
        return there < 0 ? -1 : 0;
    }
    if (mlx_fs_unlink(&engine->fs, home, temporary, NULL, err) ||
        take_in(engine, home, root, path, temporary, methods, err))
        return -1;
    if (hash_taken(engine, home, temporary, &source, known, hex, err) ||
        check_content(home, temporary, name, expected, hex, err)) {
        mlx_fs_unlink(&engine->fs, home, temporary, NULL, NULL);
        return -1;
    }
    return mlx_cache_store_commit(engine, home, temporary, hex, err) ||
                   keep_source_hash(engine, root, path, &source, hex, err)
               ? -1
               : 0;
}

int mlx_cache_store_put(mlx_engine_t *engine, const mlx_root_t *home, const void *data, size_t len,
                        char hex[MLX_HEX_MAX], mlx_error_t *err)
{
    static const char temporary[] = "tmp/put";
    mlx_sha256_hex(data, len, hex);
    if (mlx_fs_unlink(&engine->fs, home, temporary, NULL, err) ||
        mlx_fs_write_file(&engine->fs, home, temporary, data, len, 0644, err))
        return -1;
    return mlx_cache_store_commit(engine, home, temporary, hex, err);
}

int mlx_cache_store_sweep(const mlx_fs_t *fs, const mlx_root_t *home, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(home, "tmp");
    DIR *dir = opendir(path);
    if (!dir)
        return mlx_fs_error(err, errno, "open", path);
    for (struct dirent *e; (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        /* What cannot be removed stands in nobody's way until its own name is wanted. */
        MLX_CLEANUP(mlx_free_p) char *rel = mlx_format("tmp/%s", e->d_name);
        mlx_fs_unlink(fs, home, rel, NULL, NULL);
    }
    closedir(dir);
    return 0;
}

static int each_in(const mlx_root_t *home, const char *folder,
                   int (*fn)(void *arg, const char *sha256, const struct stat *st), void *arg)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", mlx_root_path(home), folder);
    DIR *dir = opendir(path);
    int rc = 0;
    for (struct dirent *e; dir && rc == 0 && (e = readdir(dir));) {
        struct stat st;
        if (mlx_is_hex(e->d_name, MLX_SHA256_HEX) &&
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            rc = fn(arg, e->d_name, &st);
    }
    if (dir)
        closedir(dir);
    return rc;
}

int mlx_cache_store_each(const mlx_root_t *home,
                         int (*fn)(void *arg, const char *sha256, const struct stat *st), void *arg)
{
    for (unsigned i = 0; i < 256; i++) {
        char folder[32];
        snprintf(folder, sizeof folder, "blobs/sha256/%02x", i);
        int rc = each_in(home, folder, fn, arg);
        if (rc)
            return rc;
    }
    return 0;
}
