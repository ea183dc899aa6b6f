#include "tests/cache/world.h"

#include "services/cache/model/manifest.h"
#include "services/cache/plan/fsys.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    ELEMENTS = 3000
};

static const char *get_variable(void *arg, const char *name)
{
    const world_t *self = arg;
    for (size_t i = 0; self->variables[i]; i += 2)
        if (strcmp(self->variables[i], name) == 0)
            return self->variables[i + 1];
    return NULL;
}

world_t *world_new(void)
{
    world_t *self = mlx_alloc(1, sizeof *self);
    self->dir = fixture_dir();
    self->home = fixture_path(self->dir, "cache");
    self->values[0] = fixture_path(self->dir, "home");
    self->values[1] = fixture_path(self->dir, "home/.ollama/models");
    self->variables[0] = "HOME";
    self->variables[1] = self->values[0];
    self->variables[2] = "OLLAMA_MODELS";
    self->variables[3] = self->values[1];
    self->variables[4] = "OLLAMA_HOST";
    self->variables[5] = "127.0.0.1:1"; /* nothing is listening there */
    /* Nor is the Internet: an undo would fetch what no app has any more. */
    setenv("https_proxy", "http://127.0.0.1:1", 1);
    return self;
}

void world_destroy(world_t **self)
{
    world_t *world = *self;
    *self = NULL;
    fixture_remove(&world->dir);
    free(world->home);
    for (size_t i = 0; i < MLX_COUNT(world->values); i++)
        free(world->values[i]);
    free(world);
}

static int64_t fixed_clock(void)
{
    return 1764000000;
}

static int64_t late_clock(void)
{
    return (int64_t)time(NULL) + 100;
}

mlx_cache_t *world_open(world_t *self, bool write, mlx_error_t *err)
{
    return mlx_cache_open(&(mlx_cache_options_t){.home = self->home,
                                                 .env = {.get = get_variable, .arg = self},
                                                 .now_s = self->late ? late_clock : fixed_clock,
                                                 .write = write,
                                                 .fs = self->fs,
                                                 .progress = self->progress,
                                                 .arg = self->arg},
                          err);
}

char *world_path(const world_t *self, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    MLX_CLEANUP(mlx_free_p) char *rest = mlx_vformat(fmt, args);
    va_end(args);
    return fixture_path(self->dir, "%s", rest);
}

uint64_t world_inode(const world_t *self, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    MLX_CLEANUP(mlx_free_p) char *rest = mlx_vformat(fmt, args);
    va_end(args);
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(self->dir, "%s", rest);
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

bool world_shares(const world_t *self, const char *a, const char *b)
{
    if (world_inode(self, "%s", a) == world_inode(self, "%s", b))
        return world_inode(self, "%s", a) != 0;
    MLX_CLEANUP(mlx_free_p) char *path_a = fixture_path(self->dir, "%s", a);
    MLX_CLEANUP(mlx_free_p) char *path_b = fixture_path(self->dir, "%s", b);
    MLX_CLEANUP(mlx_close_p) int fd_a = open(path_a, O_RDONLY | O_CLOEXEC);
    MLX_CLEANUP(mlx_close_p) int fd_b = open(path_b, O_RDONLY | O_CLOEXEC);
    mlx_runs_t runs_a = {0}, runs_b = {0};
    bool same = mlx_fsys_runs(fd_a, &runs_a) == 0 && mlx_fsys_runs(fd_b, &runs_b) == 0 &&
                mlx_runs_same(&runs_a, &runs_b);
    mlx_runs_clear(&runs_a);
    mlx_runs_clear(&runs_b);
    return same;
}

#define HUB "home/.cache/huggingface/hub"

static void hub_file(world_t *self, const char *folder, const char *name, const mlx_buf_t *content,
                     bool lfs, char hex[MLX_HEX_MAX])
{
    char etag[MLX_HEX_MAX];
    mlx_sha256_hex(content->data, content->len, hex);
    memcpy(etag, hex, sizeof etag);
    if (!lfs) {
        MLX_CLEANUP(mlx_digest_destroy)
        mlx_digest_t *d = mlx_digest_new(MLX_GIT_BLOB, content->len);
        mlx_digest_update(d, content->data, content->len);
        mlx_digest_hex(d, etag);
    }
    MLX_CLEANUP(mlx_free_p) char *blob = world_path(self, HUB "/%s/blobs/%s", folder, etag);
    MLX_CLEANUP(mlx_free_p)
    char *keep = world_path(self, HUB "/%s/snapshots/" WORLD_COMMIT "/.keep", folder);
    MLX_CLEANUP(mlx_free_p)
    char *link_path = world_path(self, HUB "/%s/snapshots/" WORLD_COMMIT "/%s", folder, name);
    MLX_CLEANUP(mlx_free_p) char *target = mlx_format("../../blobs/%s", etag);
    MLX_CLEANUP(mlx_free_p) char *ref = world_path(self, HUB "/%s/refs/main", folder);
    fixture_write(blob, content->data, content->len);
    fixture_write(keep, "", 0);
    unlink(keep);
    if (symlink(target, link_path) != 0)
        mlx_panic("symlink %s", link_path);
    fixture_write(ref, WORLD_COMMIT, 40);
}

static char *hub_folder(const char *repo)
{
    const char *slash = strchr(repo, '/');
    return mlx_format("models--%.*s--%s", (int)(slash - repo), repo, slash + 1);
}

void world_hub_model(world_t *self, const char *repo, unsigned seed, char hex[MLX_HEX_MAX])
{
    MLX_CLEANUP(mlx_free_p) char *folder = hub_folder(repo);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    char ignored[MLX_HEX_MAX];
    mlx_buf_printf(&content, "{\"model_type\":\"llama\",\"seed\":%u}", seed);
    hub_file(self, folder, "config.json", &content, false, ignored);
    mlx_buf_reset(&content);
    fixture_safetensors(&content, ELEMENTS, seed);
    hub_file(self, folder, "model.safetensors", &content, true, hex);
}

void world_hub_gguf(world_t *self, const char *repo, const char *file, unsigned seed,
                    char hex[MLX_HEX_MAX])
{
    MLX_CLEANUP(mlx_free_p) char *folder = hub_folder(repo);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    fixture_gguf(&content, ELEMENTS, seed);
    hub_file(self, folder, file, &content, true, hex);
}

static void ollama_blob(world_t *self, const mlx_buf_t *content, char hex[MLX_HEX_MAX])
{
    mlx_sha256_hex(content->data, content->len, hex);
    MLX_CLEANUP(mlx_free_p)
    char *path = world_path(self, "home/.ollama/models/blobs/sha256-%s", hex);
    fixture_write(path, content->data, content->len);
}

void world_ollama_model(world_t *self, const char *model, const char *tag, unsigned seed,
                        char hex[MLX_HEX_MAX])
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    char config[MLX_HEX_MAX];
    mlx_buf_printf(&content, "{\"model_format\":\"gguf\",\"seed\":%u}", seed);
    size_t config_size = content.len;
    ollama_blob(self, &content, config);
    mlx_buf_reset(&content);
    fixture_gguf(&content, ELEMENTS, seed);
    ollama_blob(self, &content, hex);
    MLX_CLEANUP(mlx_free_p)
    char *json = mlx_format("{\"schemaVersion\":2,\"mediaType\":\"" MLX_MANIFEST_TYPE
                            "\",\"config\":{\"mediaType\":\"" MLX_LAYER_CONFIG
                            "\",\"digest\":\"sha256:%s\",\"size\":%zu},\"layers\":[{\"mediaType\":"
                            "\"" MLX_LAYER_MODEL "\",\"digest\":\"sha256:%s\",\"size\":%zu}]}",
                            config, config_size, hex, content.len);
    MLX_CLEANUP(mlx_free_p)
    char *path = world_path(self, "home/.ollama/models/manifests/registry.ollama.ai/library/%s/%s",
                            model, tag);
    fixture_write(path, json, strlen(json));
}

void world_lmstudio_model(world_t *self, const char *folder, unsigned seed, char hex[MLX_HEX_MAX])
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    fixture_gguf(&content, ELEMENTS, seed);
    mlx_sha256_hex(content.data, content.len, hex);
    MLX_CLEANUP(mlx_free_p)
    char *path = world_path(self, "home/.lmstudio/models/%s/model.gguf", folder);
    fixture_write(path, content.data, content.len);
}

/* ---- soundness ---- */

static void check_manifest(const char *path)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t json = {0};
    fixture_read(path, &json);
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_manifest_destroy)
    mlx_manifest_t *m = mlx_manifest_parse(mlx_buf_str(&json), json.len, &err);
    if (!m)
        fail_msg("%s: %s", path, err.text);
    MLX_CLEANUP(mlx_free_p)
    char *root = mlx_strndup(path, (size_t)(strstr(path, "/manifests/") - path));
    for (size_t i = 0; i < m->count + 1; i++) {
        const mlx_layer_t *layer = i < m->count ? &m->layers[i] : &m->config;
        MLX_CLEANUP(mlx_free_p) char *blob = mlx_format("%s/blobs/sha256-%s", root, layer->sha256);
        struct stat st;
        if (stat(blob, &st) != 0 || (uint64_t)st.st_size != layer->size)
            fail_msg("%s needs %s, which is missing or short", path, blob);
    }
}

/*  The last component names the SHA-256 of the content, where it names any. */
static void check_blob(const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    bool git = strlen(name) == MLX_SHA1_HEX && mlx_is_hex(name, MLX_SHA1_HEX);
    if (strncmp(name, "sha256-", 7) == 0)
        name += 7;
    if (!git && !mlx_is_hex(name, MLX_SHA256_HEX))
        return;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    fixture_read(path, &content);
    char hex[MLX_HEX_MAX];
    MLX_CLEANUP(mlx_digest_destroy)
    mlx_digest_t *d = mlx_digest_new(git ? MLX_GIT_BLOB : MLX_SHA256, content.len);
    mlx_digest_update(d, mlx_buf_str(&content), content.len);
    mlx_digest_hex(d, hex);
    if (strcmp(hex, name) != 0)
        fail_msg("%s holds other bytes (%s)", path, hex);
}

static int check_one(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
    (void)st;
    (void)walk;
    if (flag == FTW_SLN)
        fail_msg("%s is a broken link", path);
    if (flag != FTW_F || strstr(path, "/partial/"))
        return 0;
    if (strstr(path, ".incomplete"))
        fail_msg("%s was left over", path);
    if (strstr(path, "/cache/tmp/"))
        fail_msg("%s was left over", path);
    if (strstr(path, "/manifests/"))
        check_manifest(path);
    else if (strstr(path, "/blobs/"))
        check_blob(path);
    return 0;
}

void world_check_sound(world_t *self)
{
    nftw(self->dir, check_one, 16, FTW_PHYS);
}

int64_t world_number(const mlx_value_t *map, const char *key)
{
    int64_t value = -1;
    mlx_value_int(map, key, &value);
    return value;
}
