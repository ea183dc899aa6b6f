/*  dockermodel - Docker Model Runner: models.json, manifests/sha256/<hex>, blobs/sha256/<hex>
 *
 *  Read only: the runner writes models.json without a lock, and a link made behind its back would
 *  lose what it writes. With Docker Engine the store is in a volume that only root may enter.
 */
#include "services/cache/apps/plain.h"

#include "common/base/file.h"
#include "services/cache/model/manifest.h"
#include "services/cache/model/names.h"

#include <fcntl.h>
#include <string.h>

typedef struct {
    mlx_scan_t *scan;
    const char *store;
    const mlx_root_t *root;
    const char *model;
} docker_scan_t;

static size_t docker_stores(const mlx_env_t *env, char *paths[MLX_STORES_MAX])
{
    size_t count = mlx_plain_add(paths, 0, mlx_env_path(env, "MODELS_PATH", ""));
    return mlx_plain_add(paths, count, mlx_plain_home(env, "/.docker/models"));
}

static bool docker_is_store(const mlx_root_t *root)
{
    struct stat st;
    return mlx_fs_stat(root, "models.json", &st, NULL) > 0 && S_ISREG(st.st_mode);
}

/*  "sha256:<hex>": the hex, or NULL. */
static const char *hex_of(const char *digest)
{
    static const char prefix[] = "sha256:";
    bool sound = digest && strncmp(digest, prefix, sizeof prefix - 1) == 0 &&
                 mlx_is_hex(digest + sizeof prefix - 1, MLX_SHA256_HEX);
    return sound ? digest + sizeof prefix - 1 : NULL;
}

/*  "index.docker.io/ai/x:latest" as people type it: "ai/x". Caller owns it. */
static char *short_name(const char *tag)
{
    static const char *const hosts[] = {"index.docker.io/", "docker.io/"};
    static const char latest[] = ":latest";
    for (size_t i = 0; i < MLX_COUNT(hosts); i++)
        if (strncmp(tag, hosts[i], strlen(hosts[i])) == 0)
            tag += strlen(hosts[i]);
    size_t len = strlen(tag);
    bool is_latest =
        len > sizeof latest - 1 && strcmp(tag + len - (sizeof latest - 1), latest) == 0;
    return mlx_strndup(tag, is_latest ? len - (sizeof latest - 1) : len);
}

static void add_layer(const docker_scan_t *s, const mlx_manifest_t *manifest, size_t index)
{
    const mlx_layer_t *layer = &manifest->layers[index];
    MLX_CLEANUP(mlx_free_p) char *name = mlx_manifest_docker_path(manifest, index);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("blobs/sha256/%s", layer->sha256);
    struct stat st;
    if (mlx_fs_stat(s->root, path, &st, NULL) <= 0 || !S_ISREG(st.st_mode)) {
        mlx_scan_problem(s->scan, "dockermodel", s->model, "its blob %.12s is missing",
                         layer->sha256);
        return;
    }
    if (!name || mlx_layer_is_packed(layer))
        return;
    mlx_seen_t *seen = mlx_scan_add(s->scan, "dockermodel", s->store, s->model, name, path, &st);
    memcpy(seen->claim, layer->sha256, sizeof seen->claim);
}

static void scan_manifest(const docker_scan_t *s, const char *hex)
{
    mlx_error_t why = {0};
    size_t len = 0;
    MLX_CLEANUP(mlx_free_p) char *rel = mlx_format("manifests/sha256/%s", hex);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(s->root, rel);
    MLX_CLEANUP(mlx_free_p) char *json = mlx_file_read(path, MLX_MANIFEST_MAX_BYTES, &len, &why);
    MLX_CLEANUP(mlx_manifest_destroy)
    mlx_manifest_t *manifest = json ? mlx_manifest_parse(json, len, &why) : NULL;
    if (!manifest)
        mlx_scan_problem(s->scan, "dockermodel", s->model, "its manifest cannot be read: %.120s",
                         why.text);
    for (size_t i = 0; manifest && i < manifest->count; i++)
        add_layer(s, manifest, i);
}

static void docker_scan(mlx_scan_t *scan, const char *store, const mlx_root_t *root)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *index = mlx_plain_json(scan, "dockermodel", root, "models.json");
    const mlx_value_t *models = mlx_value_get(index, "models");
    for (size_t i = 0; i < mlx_value_size(models); i++) {
        const mlx_value_t *model = mlx_value_at(models, i);
        const char *hex = hex_of(mlx_value_str(model, "id"));
        const char *tag = mlx_value_as_str(mlx_value_at(mlx_value_get(model, "tags"), 0), NULL);
        MLX_CLEANUP(mlx_free_p)
        char *name = tag ? short_name(tag) : mlx_format("docker/%.12s", hex ? hex : "");
        const docker_scan_t s = {.scan = scan, .store = store, .root = root, .model = name};
        if (hex)
            scan_manifest(&s, hex);
        else
            mlx_scan_problem(scan, "dockermodel", name, "has no valid digest in models.json");
    }
    /* Every change replaces models.json, which shows in the folder. */
    MLX_CLEANUP(mlx_close_p)
    int dir = open(mlx_root_path(root), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mlx_scan_watch(scan, dir);
}

const mlx_adapter_t mlx_adapter_dockermodel = {
    .name = "dockermodel",
    .title = "Docker Model Runner",
    .stores = docker_stores,
    .is_store = docker_is_store,
    .scan = docker_scan,
};
