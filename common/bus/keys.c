#include "common/bus/keys.h"

#include <czmq.h>
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/paths.h"
#include "proto/catalogue.h"

static char *public_path(const char *dir)
{
    return mlx_format("%s/server.key", dir);
}

static char *allowed_path(const char *dir, const char *name)
{
    return mlx_format("%s/allowed/%s.key", dir, name);
}

int mlx_keys_init(const char *dir, bool force, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *path = public_path(dir);
    MLX_CLEANUP(mlx_free_p) char *allowed = mlx_format("%s/allowed", dir);
    if (mlx_paths_make_private(dir, err) || mlx_paths_make_private(allowed, err))
        return -1;
    if (!force && access(path, F_OK) == 0) {
        mlx_error_set(err, MLX_ERR_DATA_LOSS, "%s already exists", path);
        return mlx_error_hint(err, "new keys lock out every machine that has the old ones; use "
                                   "--force if that is what you want");
    }
    /* zcert writes the secret file with the umask's mode and narrows it afterwards. */
    mode_t before = umask(077);
    zcert_t *certificate = zcert_new();
    int rc = certificate ? zcert_save(certificate, path) : -1;
    umask(before);
    zcert_destroy(&certificate);
    return rc ? mlx_error_set(err, MLX_ERR_FAILED, "cannot write %s: %s", path, strerror(errno))
              : 0;
}

static zcert_t *load_own(const char *dir, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *path = public_path(dir);
    zcert_t *certificate = zcert_load(path);
    if (!certificate) {
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s: no keys yet", path);
        mlx_error_hint(err, "make them with `mlxctl keys init`");
    }
    return certificate;
}

char *mlx_keys_public(const char *dir, mlx_error_t *err)
{
    zcert_t *certificate = load_own(dir, err);
    char *key = certificate ? mlx_strdup(zcert_public_txt(certificate)) : NULL;
    zcert_destroy(&certificate);
    return key;
}

int mlx_keys_secret(const char *dir, unsigned char secret[MLX_KEY_SECRET_BYTES], mlx_error_t *err)
{
    static const unsigned char none[MLX_KEY_SECRET_BYTES];
    zcert_t *certificate = load_own(dir, err);
    if (!certificate)
        return -1;
    memcpy(secret, zcert_secret_key(certificate), MLX_KEY_SECRET_BYTES);
    zcert_destroy(&certificate);
    if (memcmp(secret, none, sizeof none) != 0)
        return 0;
    mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s/server.key_secret cannot be read", dir);
    return mlx_error_hint(err, "make new keys with `mlxctl keys init --force`");
}

static int check_name(const char *name, mlx_error_t *err)
{
    if (mlx_topic_valid(name, strlen(name)) && !strchr(name, '.'))
        return 0;
    return mlx_error_set(err, MLX_ERR_USAGE,
                         "\"%s\": a machine name may contain only a-z, 0-9, - and _", name);
}

int mlx_keys_allow(const char *dir, const char *name, const char *key, mlx_error_t *err)
{
    uint8_t bytes[32];
    if (check_name(name, err))
        return -1;
    if (strlen(key) != MLX_KEY_CHARACTERS || !zmq_z85_decode(bytes, key)) {
        mlx_error_set(err, MLX_ERR_USAGE, "\"%s\" is not a public key", key);
        return mlx_error_hint(err, "`mlxctl keys show` on that machine prints its %d characters",
                              MLX_KEY_CHARACTERS);
    }
    MLX_CLEANUP(mlx_free_p) char *allowed = mlx_format("%s/allowed", dir);
    MLX_CLEANUP(mlx_free_p) char *path = allowed_path(dir, name);
    if (mlx_paths_make_private(dir, err) || mlx_paths_make_private(allowed, err))
        return -1;
    const uint8_t no_secret[32] = {0};
    zcert_t *certificate = zcert_new_from(bytes, no_secret);
    int rc = certificate ? zcert_save_public(certificate, path) : -1;
    zcert_destroy(&certificate);
    return rc ? mlx_error_set(err, MLX_ERR_FAILED, "cannot write %s: %s", path, strerror(errno))
              : 0;
}

int mlx_keys_deny(const char *dir, const char *name, mlx_error_t *err)
{
    if (check_name(name, err))
        return -1;
    MLX_CLEANUP(mlx_free_p) char *path = allowed_path(dir, name);
    if (unlink(path) == 0)
        return 0;
    if (errno == ENOENT)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "machine \"%s\" is not on the allow-list",
                             name);
    return mlx_error_set(err, MLX_ERR_FAILED, "%s: %s", path, strerror(errno));
}

static void add_entry(const char *allowed, const char *file, mlx_value_t *list)
{
    const char *dot = strrchr(file, '.');
    if (!dot || strcmp(dot, ".key") != 0)
        return;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", allowed, file);
    MLX_CLEANUP(mlx_free_p) char *name = mlx_strndup(file, (size_t)(dot - file));
    zcert_t *certificate = zcert_load(path);
    if (!certificate)
        return;
    mlx_value_t *map = mlx_value_append(list, mlx_value_map());
    mlx_value_set_str(map, "name", name);
    mlx_value_set_str(map, "key", zcert_public_txt(certificate));
    zcert_destroy(&certificate);
}

int mlx_keys_list(const char *dir, mlx_value_t *list, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *allowed = mlx_format("%s/allowed", dir);
    DIR *handle = opendir(allowed);
    if (!handle && errno == ENOENT)
        return 0;
    if (!handle)
        return mlx_error_set(err, MLX_ERR_FAILED, "%s: %s", allowed, strerror(errno));
    for (struct dirent *entry = readdir(handle); entry; entry = readdir(handle))
        add_entry(allowed, entry->d_name, list);
    closedir(handle);
    return 0;
}
