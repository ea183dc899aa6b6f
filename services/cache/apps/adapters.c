#include "services/cache/apps/adapter.h"

#include "services/cache/model/weights.h"
#include "services/cache/plan/fsys.h"

#include "proto/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const mlx_adapter_t *const mlx_adapters[] = {
    &mlx_adapter_huggingface, &mlx_adapter_ollama,   &mlx_adapter_lmstudio,  &mlx_adapter_llamacpp,
    &mlx_adapter_hubapi,      &mlx_adapter_jan,      &mlx_adapter_koboldcpp, &mlx_adapter_localai,
    &mlx_adapter_dockermodel, &mlx_adapter_ramalama, &mlx_adapter_dir,       NULL,
};

const mlx_adapter_t *mlx_adapter_find(const char *name, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t names = {0};
    for (size_t i = 0; mlx_adapters[i]; i++) {
        if (strcmp(mlx_adapters[i]->name, name) == 0)
            return mlx_adapters[i];
        mlx_buf_printf(&names, "%s%s", i ? ", " : "", mlx_adapters[i]->name);
    }
    mlx_error_set(err, MLX_ERR_NOT_FOUND, "unknown app \"%.60s\"", name);
    mlx_error_hint(err, "known apps: %s", mlx_buf_str(&names));
    return NULL;
}

char *mlx_blob_path(const char *sha256)
{
    return mlx_format("blobs/sha256/%.2s/%s", sha256, sha256);
}

char *mlx_env_path(const mlx_env_t *env, const char *name, const char *tail)
{
    const char *value = mlx_env_get(env, name);
    const char *home = mlx_env_get(env, "HOME");
    if (value && value[0] == '~' && (value[1] == '/' || !value[1]) && home)
        return mlx_format("%s%s%s", home, value + 1, tail);
    return value && value[0] == '/' ? mlx_format("%s%s", value, tail) : NULL;
}

/*  The name behind a '$', its length with '$' and braces in *LEN; NULL: none. */
static char *variable_at(const char *at, size_t *len)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    bool braces = at[1] == '{';
    const char *name = at + 1 + braces;
    size_t size = braces ? strcspn(name, "}") : strspn(name, word);
    if (!size || (braces && name[size] != '}'))
        return NULL;
    *len = 1 + size + (braces ? 2 : 0);
    return mlx_strndup(name, size);
}

char *mlx_env_expand(const mlx_env_t *env, const char *name, const char *tail)
{
    const char *at = mlx_env_get(env, name), *home = mlx_env_get(env, "HOME");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t path = {0};
    if (!at || !*at)
        return NULL;
    if (at[0] == '~' && (at[1] == '/' || !at[1]) && home)
        mlx_buf_puts(&path, home);
    for (at += path.len != 0; *at;) {
        size_t len = 0;
        MLX_CLEANUP(mlx_free_p) char *variable = *at == '$' ? variable_at(at, &len) : NULL;
        const char *value = variable ? mlx_env_get(env, variable) : NULL;
        if (value)
            mlx_buf_puts(&path, value);
        else
            mlx_buf_append(&path, at, len ? len : (len = 1));
        at += len;
    }
    char here[4096];
    if (mlx_buf_str(&path)[0] != '/' && !getcwd(here, sizeof here))
        return NULL;
    return mlx_buf_str(&path)[0] == '/' ? mlx_format("%s%s", mlx_buf_str(&path), tail)
                                        : mlx_format("%s/%s%s", here, mlx_buf_str(&path), tail);
}

void mlx_expose_folder(const mlx_expose_t *what, mlx_cache_plan_t *plan, const char *path)
{
    MLX_CLEANUP(mlx_free_p) char *copy = mlx_strdup(path);
    for (char *slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mlx_cache_plan_mkdir(plan, mlx_root_path(what->store), copy);
        *slash = '/';
    }
    mlx_cache_plan_mkdir(plan, mlx_root_path(what->store), copy);
}

/*  Do both files lie at the same place on the disk. */
static bool is_clone(const mlx_expose_t *what, const char *blob, const char *path)
{
    MLX_CLEANUP(mlx_close_p) int ours = mlx_fs_open(what->home, blob, NULL);
    MLX_CLEANUP(mlx_close_p) int theirs = mlx_fs_open(what->store, path, NULL);
    mlx_runs_t a = {0}, b = {0};
    bool same = ours >= 0 && theirs >= 0 && mlx_fsys_may_clone(ours) &&
                mlx_fsys_runs(ours, &a) == 0 && mlx_fsys_runs(theirs, &b) == 0 &&
                mlx_runs_same(&a, &b);
    mlx_runs_clear(&a);
    mlx_runs_clear(&b);
    return same;
}

/*  Is the file ST the cache's own blob under another name, or a clone of it. */
static bool is_blob(const mlx_expose_t *what, const mlx_model_file_t *file, const char *path,
                    const struct stat *st)
{
    MLX_CLEANUP(mlx_free_p) char *blob = mlx_blob_path(file->sha256);
    struct stat own;
    if (mlx_fs_stat(what->home, blob, &own, NULL) <= 0 || own.st_dev != st->st_dev)
        return false;
    return own.st_ino == st->st_ino ||
           (own.st_size == st->st_size && S_ISREG(st->st_mode) && is_clone(what, blob, path));
}

static char *stage_beside(const char *path, const char *stage)
{
    const char *slash = strrchr(path, '/');
    return stage ? mlx_strdup(stage) : mlx_strndup(path, slash ? (size_t)(slash - path) : 0);
}

/*  A second copy of what the cache has, on the same device. */
static void plan_twin(const mlx_expose_t *what, const mlx_model_file_t *file, const char *path,
                      const char *stage, const struct stat *st)
{
    if (!what->twins || !mlx_weights_is_shared(file->path, file->size) || st->st_nlink != 1 ||
        (uint64_t)st->st_dev != mlx_root_dev(what->home))
        return;
    mlx_cache_step_t *step =
        mlx_cache_plan_add(what->twins, MLX_STEP_REPLACE, mlx_root_path(what->store), path);
    step->stage = stage_beside(path, stage);
    step->source_root = mlx_strdup(mlx_root_path(what->home));
    step->source = mlx_blob_path(file->sha256);
    memcpy(step->sha256, file->sha256, sizeof step->sha256);
    step->size = file->size;
    step->methods = MLX_METHOD_CLONE | MLX_METHOD_HARDLINK;
    step->old = mlx_identity_of(st);
    step->old_mode = st->st_mode & 07777;
}

/*  1: the file is there with that content; 0: the name is free. */
static int compare_existing(const mlx_expose_t *what, const mlx_model_file_t *file,
                            const char *path, const char *stage, mlx_error_t *err)
{
    struct stat st;
    int there = mlx_fs_stat(what->store, path, &st, err);
    if (there <= 0)
        return there;
    if (is_blob(what, file, path, &st))
        return 1;
    char hex[MLX_HEX_MAX] = "";
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size == file->size) {
        MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(what->store, path, err);
        if (fd < 0 || mlx_digest_fd(fd, MLX_SHA256, hex, NULL, NULL, NULL, err))
            return -1;
    }
    if (strcmp(hex, file->sha256) == 0) {
        plan_twin(what, file, path, stage, &st);
        return 1;
    }
    MLX_CLEANUP(mlx_free_p) char *full = mlx_root_join(what->store, path);
    mlx_error_set(err, MLX_ERR_DATA_LOSS, "%s already exists with different content", full);
    return mlx_error_hint(err, "move it out of the way, then run the command again");
}

/*  Two files of a model with the same bytes are one blob of an app that names it by them. */
static bool is_planned(const mlx_cache_plan_t *plan, const char *path)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->steps[i].kind == MLX_STEP_PLACE && strcmp(plan->steps[i].path, path) == 0)
            return true;
    return false;
}

int mlx_expose_file(const mlx_expose_t *what, mlx_cache_plan_t *plan, const mlx_model_file_t *file,
                    const char *path, const char *stage, mlx_error_t *err)
{
    int there = is_planned(plan, path) ? 1 : compare_existing(what, file, path, stage, err);
    if (there)
        return there < 0 ? -1 : 0;
    MLX_CLEANUP(mlx_free_p) char *blob = mlx_blob_path(file->sha256);
    mlx_cache_plan_place(plan, mlx_root_path(what->store), path, stage, mlx_root_path(what->home),
                         blob, file->sha256, file->size,
                         mlx_weights_is_shared(file->path, file->size) ? what->weights
                                                                       : what->small);
    return 0;
}
