#include "manifests.h"

#include <dirent.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/json.h"

enum {
    HEX = 64,
    LEVELS = 4,
    NAME_MAX_BYTES = 256
};

#define MODEL_LAYER "application/vnd.ollama.image.model"

typedef struct {
    const char *digest;        /* 64 hex digits */
    const char *parts[LEVELS]; /* host, namespace, model, tag */
    mlx_manifests_fn fn;
    void *arg;
    int left;
} search_t;

static void close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

const char *mlx_manifests_digest(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (strncmp(name, "sha256-", 7) != 0)
        return NULL;
    name += 7;
    return strspn(name, "0123456789abcdef") == HEX && name[HEX] == '\0' ? name : NULL;
}

/*  Whether the manifest at PATH has the blob DIGEST as its model. */
static bool holds(const char *path, const char *digest)
{
    size_t len;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_file_read(path, MLX_MANIFESTS_FILE_MAX, &len, NULL);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *root = text ? mlx_json_parse(text, len, NULL) : NULL;
    const mlx_value_t *layers = mlx_value_get(root, "layers");
    for (size_t i = 0; i < mlx_value_size(layers); i++) {
        const char *type = mlx_value_str(mlx_value_at(layers, i), "mediaType");
        const char *is = mlx_value_str(mlx_value_at(layers, i), "digest");
        if (type && is && !strcmp(type, MODEL_LAYER) && !strncmp(is, "sha256:", 7) &&
            !strcmp(is + 7, digest))
            return true;
    }
    return false;
}

static char *name_of(const search_t *s)
{
    bool own_host = !strcmp(s->parts[0], "registry.ollama.ai");
    bool library = own_host && !strcmp(s->parts[1], "library");
    return mlx_format("%s%s%s%s%s:%s", own_host ? "" : s->parts[0], own_host ? "" : "/",
                      library ? "" : s->parts[1], library ? "" : "/", s->parts[2], s->parts[3]);
}

/*  One manifest; false ends the search. */
static bool visit_file(search_t *s, const char *path)
{
    if (!holds(path, s->digest))
        return true;
    MLX_CLEANUP(mlx_free_p) char *name = name_of(s);
    return strlen(name) > NAME_MAX_BYTES || s->fn(s->arg, name);
}

/*  The folder PATH at LEVEL (0: hosts). Recursion ends at the fourth level, where the files are. */
static bool visit_folder(search_t *s, const char *path, int level)
{
    MLX_CLEANUP(close_dir) DIR *dir = opendir(path);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        if (s->left-- <= 0)
            return false;
        MLX_CLEANUP(mlx_free_p) char *child = mlx_format("%s/%s", path, entry->d_name);
        MLX_CLEANUP(mlx_free_p) char *part = mlx_strdup(entry->d_name);
        s->parts[level] = part;
        if (level + 1 == LEVELS ? !visit_file(s, child) : !visit_folder(s, child, level + 1))
            return false;
    }
    return true;
}

void mlx_manifests_find(const char *blob_path, mlx_manifests_fn fn, void *arg)
{
    const char *digest = mlx_manifests_digest(blob_path);
    const char *blobs = digest ? strstr(blob_path, "/blobs/sha256-") : NULL;
    if (!blobs || blobs + strlen("/blobs/sha256-") != digest)
        return;
    MLX_CLEANUP(mlx_free_p)
    char *root = mlx_format("%.*s/manifests", (int)(blobs - blob_path), blob_path);
    search_t search = {.digest = digest, .fn = fn, .arg = arg, .left = MLX_MANIFESTS_MAX};
    visit_folder(&search, root, 0);
}
