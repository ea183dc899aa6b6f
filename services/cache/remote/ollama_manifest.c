#include "services/cache/remote/ollama_manifest.h"

#include "proto/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    LEVELS = 4
};

typedef struct {
    const mlx_root_t *root;
    mlx_scan_t *scan; /* NULL: nobody wants to know the folders */
    mlx_ollama_fn fn;
    void *arg;
    char *parts[LEVELS];
} walk_t;

static int read_file(const mlx_root_t *root, const char *path, mlx_buf_t *out, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(root, path, err);
    if (fd < 0)
        return -1;
    char chunk[16384];
    for (ssize_t got; (got = read(fd, chunk, sizeof chunk)) != 0;) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return mlx_fs_error(err, errno, "read", path);
        mlx_buf_append(out, chunk, (size_t)got);
        if (out->len > MLX_MANIFEST_MAX_BYTES)
            return mlx_error_set(err, MLX_ERR_FAILED, "%s is larger than 4 MiB", path);
    }
    return 0;
}

int mlx_ollama_read_blob(const mlx_root_t *home, const char *sha256, mlx_buf_t *out,
                         mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_blob_path(sha256);
    return read_file(home, path, out, err);
}

static int visit(const walk_t *w)
{
    MLX_CLEANUP(mlx_free_p)
    char *path =
        mlx_format("manifests/%s/%s/%s/%s", w->parts[0], w->parts[1], w->parts[2], w->parts[3]);
    MLX_CLEANUP(mlx_free_p)
    char *full = mlx_format("%s/%s/%s:%s", w->parts[0], w->parts[1], w->parts[2], w->parts[3]);
    mlx_ollama_name_t name;
    mlx_error_t why = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t json = {0};
    MLX_CLEANUP(mlx_manifest_destroy) mlx_manifest_t *manifest = NULL;
    if (mlx_name_ollama(full, &name, &why) == 0 && read_file(w->root, path, &json, &why) == 0)
        manifest = mlx_manifest_parse(mlx_buf_str(&json), json.len, &why);
    return w->fn(w->arg, path, &name, manifest, why.text);
}

static int walk_dir(walk_t *w, int fd, unsigned level);

static int walk_entry(walk_t *w, int dir, const char *name, unsigned level)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    if (level == LEVELS - 1)
        return S_ISREG(st.st_mode) ? visit(w) : 0;
    if (!S_ISDIR(st.st_mode))
        return 0;
    int next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return next < 0 ? w->fn(w->arg, name, NULL, NULL, strerror(errno))
                    : walk_dir(w, next, level + 1);
}

static int walk_dir(walk_t *w, int fd, unsigned level)
{
    if (w->scan)
        mlx_scan_watch(w->scan, fd);
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return w->fn(w->arg, "manifests", NULL, NULL, "cannot be read");
    }
    int rc = 0;
    for (struct dirent *e; rc == 0 && (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        w->parts[level] = e->d_name;
        rc = walk_entry(w, dirfd(dir), e->d_name, level);
    }
    closedir(dir);
    return rc;
}

int mlx_ollama_scan(const mlx_root_t *root, mlx_scan_t *scan, mlx_ollama_fn fn, void *arg)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(root, "manifests");
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : fn(arg, path, NULL, NULL, strerror(errno));
    walk_t w = {.root = root, .scan = scan, .fn = fn, .arg = arg};
    return walk_dir(&w, fd, 0);
}

int mlx_ollama_each(const mlx_root_t *root, mlx_ollama_fn fn, void *arg)
{
    return mlx_ollama_scan(root, NULL, fn, arg);
}

/* ---- composing ---- */

static const char *processor(void)
{
#if defined(__aarch64__) || defined(__arm64__)
    return "arm64";
#else
    return "amd64";
#endif
}

static void add_layer(mlx_manifest_t *manifest, const char *media_type, const char *sha256,
                      uint64_t size)
{
    mlx_layer_t *layer = &manifest->layers[manifest->count++];
    layer->media_type = mlx_strdup(media_type);
    snprintf(layer->sha256, sizeof layer->sha256, "%s", sha256);
    layer->size = size;
}

static void compose_config(const mlx_gguf_t *info, const mlx_manifest_t *manifest, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *config = mlx_value_map();
    mlx_value_set_str(config, "model_format", "gguf");
    mlx_value_set_str(config, "model_family", info->architecture);
    mlx_value_t *families = mlx_value_set(config, "model_families", mlx_value_list());
    mlx_value_append(families, mlx_value_new_str(info->architecture));
    char size[32];
    if (info->parameters >= 1000000000)
        snprintf(size, sizeof size, "%.1fB", (double)info->parameters / 1e9);
    else
        snprintf(size, sizeof size, "%.2fM", (double)info->parameters / 1e6);
    mlx_value_set_str(config, "model_type", size);
    mlx_value_set_str(config, "file_type", mlx_gguf_quant(info->file_type));
    mlx_value_set_str(config, "architecture", processor());
    mlx_value_set_str(config, "os", "linux");
    mlx_value_t *rootfs = mlx_value_set(config, "rootfs", mlx_value_map());
    mlx_value_set_str(rootfs, "type", "layers");
    mlx_value_t *ids = mlx_value_set(rootfs, "diff_ids", mlx_value_list());
    for (size_t i = 0; i < manifest->count; i++) {
        MLX_CLEANUP(mlx_free_p) char *digest = mlx_format("sha256:%s", manifest->layers[i].sha256);
        mlx_value_append(ids, mlx_value_new_str(digest));
    }
    mlx_json_write(out, config, false);
}

/*  The name that goes with a media type; NULL: none of its own. */
static const char *known_name(const mlx_layer_t *layer)
{
    static const struct {
        const char *type;
        const char *name;
    } known[] = {
        {MLX_LAYER_MODEL, "model.gguf"},       {MLX_LAYER_PROJECTOR, "mmproj.gguf"},
        {MLX_LAYER_TEMPLATE, "template"},      {MLX_LAYER_PARAMS, "params.json"},
        {MLX_LAYER_PREFIX "system", "system"}, {MLX_LAYER_PREFIX "messages", "messages.json"},
    };
    for (size_t i = 0; i < MLX_COUNT(known); i++)
        if (strcmp(known[i].type, layer->media_type) == 0)
            return known[i].name;
    return NULL;
}

char *mlx_ollama_layer_name(const mlx_manifest_t *manifest, size_t index)
{
    const mlx_layer_t *layer = &manifest->layers[index];
    const char *name = known_name(layer);
    for (size_t i = 0; name && i < index; i++)
        if (strcmp(manifest->layers[i].media_type, layer->media_type) == 0)
            name = NULL;
    if (name)
        return mlx_strdup(name);
    if (strcmp(layer->media_type, MLX_LAYER_TENSOR) == 0)
        return mlx_format("tensor-%03zu.safetensors", index);
    return mlx_format("layer-%03zu", index);
}

const char *mlx_ollama_text_kind(const char *path)
{
    static const char *const kinds[][2] = {{"template", "template"},
                                           {"params", "params"},
                                           {"params.json", "params"},
                                           {"system", "system"},
                                           {"license", "license"}};
    for (size_t i = 0; i < MLX_COUNT(kinds); i++)
        if (strcmp(path, kinds[i][0]) == 0)
            return kinds[i][1];
    return NULL;
}

void mlx_ollama_params(const mlx_value_t *generation, mlx_buf_t *params)
{
    static const struct {
        const char *from;
        const char *to;
        double most;
    } known[] = {{"temperature", "temperature", 100},
                 {"top_p", "top_p", 1},
                 {"min_p", "min_p", 1},
                 {"top_k", "top_k", 1e6},
                 {"repetition_penalty", "repeat_penalty", 100}};
    bool sampled = true;
    mlx_value_bool(generation, "do_sample", &sampled);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *out = mlx_value_map();
    for (size_t i = 0; sampled && i < MLX_COUNT(known); i++) {
        double value;
        if (mlx_value_real(generation, known[i].from, &value) && value >= 0 &&
            value <= known[i].most)
            mlx_value_set(out, known[i].to,
                          mlx_value_copy(mlx_value_get(generation, known[i].from)));
    }
    if (mlx_value_size(out))
        mlx_json_write(params, out, false);
}

void mlx_ollama_compose(const mlx_ollama_parts_t *parts, mlx_buf_t *config, mlx_buf_t *manifest)
{
    size_t texts = 0;
    while (parts->texts[texts])
        texts++;
    MLX_CLEANUP(mlx_manifest_destroy) mlx_manifest_t *m = mlx_alloc(1, sizeof *m);
    m->layers = mlx_alloc(texts + 3, sizeof *m->layers);
    add_layer(m, MLX_LAYER_MODEL, parts->weights->sha256, parts->weights->size);
    if (parts->projector)
        add_layer(m, MLX_LAYER_PROJECTOR, parts->projector->sha256, parts->projector->size);
    for (size_t i = 0; i < texts; i++) {
        const mlx_model_file_t *text = parts->texts[i];
        MLX_CLEANUP(mlx_free_p)
        char *type = mlx_format(MLX_LAYER_PREFIX "%s", mlx_ollama_text_kind(text->path));
        add_layer(m, type, text->sha256, text->size);
    }
    if (parts->params->len) {
        char hex[MLX_HEX_MAX];
        mlx_sha256_hex(parts->params->data, parts->params->len, hex);
        add_layer(m, MLX_LAYER_PARAMS, hex, parts->params->len);
    }
    compose_config(parts->info, m, config);
    m->config.media_type = mlx_strdup(MLX_LAYER_CONFIG);
    m->config.size = config->len;
    mlx_sha256_hex(config->data, config->len, m->config.sha256);
    mlx_manifest_write(manifest, m);
}

/* ---- planning ---- */

/*  The existing entry of the folder REL that equals NAME but for case, or NAME itself. */
static char *existing_spelling(const mlx_root_t *root, const char *rel, const char *name)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(root, rel);
    DIR *dir = opendir(path);
    char *found = NULL;
    for (struct dirent *e; dir && !found && (e = readdir(dir));)
        if (strcasecmp(e->d_name, name) == 0)
            found = mlx_strdup(e->d_name);
    if (dir)
        closedir(dir);
    return found ? found : mlx_strdup(name);
}

static char *manifest_path(const mlx_root_t *root, const mlx_ollama_name_t *name)
{
    const char *parts[LEVELS] = {name->host, name->space, name->model, name->tag};
    char *path = mlx_strdup("manifests");
    for (size_t i = 0; i < LEVELS; i++) {
        MLX_CLEANUP(mlx_free_p) char *spelling = existing_spelling(root, path, parts[i]);
        char *longer = mlx_format("%s/%s", path, spelling);
        free(path);
        path = longer;
    }
    return path;
}

mlx_manifest_t *mlx_ollama_find_manifest(const mlx_root_t *store, const mlx_ollama_name_t *name)
{
    MLX_CLEANUP(mlx_free_p) char *path = manifest_path(store, name);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t json = {0};
    struct stat st;
    if (mlx_fs_stat(store, path, &st, NULL) <= 0 || read_file(store, path, &json, NULL))
        return NULL;
    return mlx_manifest_parse(mlx_buf_str(&json), json.len, NULL);
}

int mlx_ollama_plan_blob(const mlx_expose_t *what, mlx_cache_plan_t *plan, const mlx_buf_t *content,
                         mlx_error_t *err)
{
    char hex[MLX_HEX_MAX];
    mlx_sha256_hex(content->data, content->len, hex);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("blobs/sha256-%s", hex);
    struct stat st;
    int there = mlx_fs_stat(what->store, path, &st, err);
    if (there == 0)
        mlx_cache_plan_write(plan, mlx_root_path(what->store), path, "", content->data,
                             content->len);
    return there < 0 ? -1 : 0;
}

int mlx_ollama_plan_manifest(const mlx_expose_t *what, mlx_cache_plan_t *plan,
                             const mlx_ollama_name_t *name, const mlx_buf_t *config,
                             const mlx_buf_t *manifest, mlx_error_t *err)
{
    if (config && mlx_ollama_plan_blob(what, plan, config, err))
        return -1;
    MLX_CLEANUP(mlx_free_p) char *path = manifest_path(what->store, name);
    MLX_CLEANUP(mlx_free_p) char *folder = mlx_strndup(path, (size_t)(strrchr(path, '/') - path));
    struct stat st;
    int there = mlx_fs_stat(what->store, path, &st, err);
    if (there < 0)
        return -1;
    if (!there) {
        mlx_expose_folder(what, plan, folder);
        mlx_cache_plan_write(plan, mlx_root_path(what->store), path, "", manifest->data,
                             manifest->len);
        return 0;
    }
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t now = {0};
    if (read_file(what->store, path, &now, err))
        return -1;
    if (now.len == manifest->len && memcmp(mlx_buf_str(&now), mlx_buf_str(manifest), now.len) == 0)
        return 0;
    MLX_CLEANUP(mlx_free_p) char *shown = mlx_name_ollama_short(name);
    mlx_error_set(err, MLX_ERR_DATA_LOSS, "Ollama has another model named %s", shown);
    return mlx_error_hint(err, "choose another name with --as NAME:TAG, or ollama rm %s", shown);
}
