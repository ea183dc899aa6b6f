#include "common/cache/adapter.h"

#include "common/cache/weights.h"

#include "proto/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const mlx_adapter_t *const mlx_adapters[] = {
    &mlx_adapter_huggingface, &mlx_adapter_ollama, &mlx_adapter_lmstudio,
    &mlx_adapter_llamacpp,    &mlx_adapter_dir,    NULL,
};

const mlx_adapter_t *mlx_adapter_find(const char *name, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t names = {0};
    for (size_t i = 0; mlx_adapters[i]; i++) {
        if (strcmp(mlx_adapters[i]->name, name) == 0)
            return mlx_adapters[i];
        mlx_buf_printf(&names, "%s%s", i ? ", " : "", mlx_adapters[i]->name);
    }
    mlx_error_set(err, MLX_ERR_NOT_FOUND, "no app \"%.60s\" is known", name);
    mlx_error_mend(err, "there are: %s", mlx_buf_str(&names));
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

void mlx_expose_folder(const mlx_expose_t *what, mlx_plan_t *plan, const char *path)
{
    MLX_CLEANUP(mlx_free_p) char *copy = mlx_strdup(path);
    for (char *slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mlx_plan_mkdir(plan, mlx_root_path(what->store), copy);
        *slash = '/';
    }
    mlx_plan_mkdir(plan, mlx_root_path(what->store), copy);
}

/*  Is the file ST the cache's own blob under another name. */
static bool is_blob(const mlx_expose_t *what, const char *sha256, const struct stat *st)
{
    MLX_CLEANUP(mlx_free_p) char *blob = mlx_blob_path(sha256);
    struct stat own;
    return mlx_fs_stat(what->home, blob, &own, NULL) > 0 && own.st_dev == st->st_dev &&
           own.st_ino == st->st_ino;
}

/*  1: the file is there with that content; 0: the name is free. */
static int compare_existing(const mlx_expose_t *what, const mlx_model_file_t *file,
                            const char *path, mlx_error_t *err)
{
    struct stat st;
    int there = mlx_fs_stat(what->store, path, &st, err);
    if (there <= 0)
        return there;
    if (is_blob(what, file->sha256, &st))
        return 1;
    char hex[MLX_HEX_MAX] = "";
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size == file->size) {
        MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(what->store, path, err);
        if (fd < 0 || mlx_digest_fd(fd, MLX_SHA256, hex, NULL, NULL, NULL, err))
            return -1;
    }
    if (strcmp(hex, file->sha256) == 0)
        return 1;
    MLX_CLEANUP(mlx_free_p) char *full = mlx_root_join(what->store, path);
    mlx_error_set(err, MLX_ERR_DATA_LOSS, "%s is there already with other content", full);
    return mlx_error_mend(err, "move it away, then run it again");
}

int mlx_expose_file(const mlx_expose_t *what, mlx_plan_t *plan, const mlx_model_file_t *file,
                    const char *path, const char *stage, mlx_error_t *err)
{
    int there = compare_existing(what, file, path, err);
    if (there)
        return there < 0 ? -1 : 0;
    MLX_CLEANUP(mlx_free_p) char *blob = mlx_blob_path(file->sha256);
    mlx_plan_place(plan, mlx_root_path(what->store), path, stage, mlx_root_path(what->home), blob,
                   file->sha256, file->size,
                   mlx_weights_is_shared(file->path, file->size) ? what->weights : what->small);
    return 0;
}
