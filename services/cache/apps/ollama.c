/*  ollama - Ollama's store: blobs/sha256-<hex> and manifests/<host>/<namespace>/<model>/<tag>
 *
 *  `ollama create` copies every GGUF it is given. A blob put in place under its own digest, a
 *  config blob and a manifest, in this order, are a model that the running server sees at its next
 *  list, with the same inode (tried on 0.32.15). Temporaries are made in the store's root: in
 *  blobs/ the server would prune them, at the depth of a manifest it would parse them.
 */
#include "services/cache/apps/adapter.h"

#include "common/base/json.h"
#include "services/cache/model/gguf.h"
#include "services/cache/model/header.h"
#include "services/cache/model/manifest.h"
#include "services/cache/model/names.h"
#include "services/cache/remote/ollama_manifest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t ollama_stores(const mlx_env_t *env, char *paths[MLX_STORES_MAX])
{
    size_t count = 0;
    paths[count] = mlx_env_path(env, "OLLAMA_MODELS", "");
    if (paths[count])
        return 1;
    paths[count] = mlx_env_path(env, "HOME", "/.ollama/models");
    if (paths[count])
        count++;
    paths[count++] = mlx_strdup("/usr/share/ollama/.ollama/models");
    return count;
}

static bool ollama_is_store(const mlx_root_t *root)
{
    struct stat st;
    return mlx_fs_stat(root, "manifests", &st, NULL) > 0 && S_ISDIR(st.st_mode);
}

/* ---- looking ---- */

typedef struct {
    mlx_scan_t *scan;
    const char *store;
    const mlx_root_t *root;
} store_scan_t;

static void add_layer(const store_scan_t *s, const char *model, const char *name,
                      const mlx_layer_t *layer)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("blobs/sha256-%s", layer->sha256);
    struct stat st;
    int there = mlx_fs_stat(s->root, path, &st, NULL);
    bool link = there > 0 && S_ISLNK(st.st_mode);
    if (link) {
        MLX_CLEANUP(mlx_free_p) char *full = mlx_root_join(s->root, path);
        there = stat(full, &st) == 0;
    }
    if (there <= 0 || !S_ISREG(st.st_mode)) {
        mlx_scan_problem(s->scan, "ollama", model, "its blob %.12s is missing", layer->sha256);
        return;
    }
    mlx_seen_t *seen =
        mlx_scan_add(s->scan, "ollama", s->store, model, name, link ? "" : path, &st);
    seen->by_symlink = link;
    memcpy(seen->claim, layer->sha256, sizeof seen->claim);
}

static int scan_manifest(void *arg, const char *path, const mlx_ollama_name_t *name,
                         const mlx_manifest_t *manifest, const char *fault)
{
    const store_scan_t *s = arg;
    if (!manifest) {
        mlx_scan_problem(s->scan, "ollama", path, "%.190s", fault);
        return 0;
    }
    MLX_CLEANUP(mlx_free_p) char *model = mlx_name_ollama_short(name);
    struct stat st;
    if (mlx_fs_stat(s->root, path, &st, NULL) > 0 && S_ISREG(st.st_mode))
        mlx_scan_add(s->scan, "ollama", s->store, model, MLX_OLLAMA_MANIFEST, path, &st);
    if (manifest->config.sha256[0])
        add_layer(s, model, "config.json", &manifest->config);
    for (size_t i = 0; i < manifest->count; i++) {
        MLX_CLEANUP(mlx_free_p) char *file = mlx_ollama_layer_name(manifest, i);
        add_layer(s, model, file, &manifest->layers[i]);
    }
    return 0;
}

static void ollama_scan(mlx_scan_t *scan, const char *store, const mlx_root_t *root)
{
    store_scan_t s = {.scan = scan, .store = store, .root = root};
    mlx_ollama_scan(root, scan, scan_manifest, &s);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(root, "blobs");
    MLX_CLEANUP(mlx_close_p) int blobs = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mlx_scan_watch(scan, blobs);
}

static int find_reference(void *arg, const char *path, const mlx_ollama_name_t *name,
                          const mlx_manifest_t *manifest, const char *fault)
{
    const char *sha256 = arg;
    (void)path;
    (void)name;
    (void)fault;
    if (!manifest || strcmp(manifest->config.sha256, sha256) == 0)
        return 1; /* a manifest that cannot be read may need it */
    for (size_t i = 0; i < manifest->count; i++)
        if (strcmp(manifest->layers[i].sha256, sha256) == 0)
            return 1;
    return 0;
}

static bool ollama_in_use(const mlx_root_t *root, const char *path)
{
    static const char blobs[] = "blobs/sha256-";
    if (strncmp(path, blobs, sizeof blobs - 1) != 0)
        return false;
    char sha256[MLX_HEX_MAX];
    snprintf(sha256, sizeof sha256, "%s", path + sizeof blobs - 1);
    return mlx_ollama_each(root, find_reference, sha256) != 0;
}

/* ---- exposing ---- */

static int place_blob(const mlx_expose_t *what, mlx_cache_plan_t *plan,
                      const mlx_model_file_t *file, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("blobs/sha256-%s", file->sha256);
    /* Two layers may be the same bytes. */
    for (size_t i = 0; i < plan->count; i++)
        if (strcmp(plan->steps[i].path, path) == 0)
            return 0;
    return mlx_expose_file(what, plan, file, path, "", err);
}

/*  A name of the model for Ollama: its own there, else the one under which Ollama pulls it from the
 *  hub, so that a later pull finds everything there. */
static int choose_name(const mlx_expose_t *what, const mlx_gguf_t *info, mlx_ollama_name_t *name,
                       mlx_error_t *err)
{
    const mlx_model_t *model = what->model;
    MLX_CLEANUP(mlx_free_p) char *own = NULL;
    if (what->as)
        own = mlx_strdup(what->as);
    else if (strcmp(model->source, "huggingface") == 0 && !strchr(model->name, ':'))
        own = mlx_format("hf.co/%s:%s", model->name, mlx_gguf_quant(info->file_type));
    else if (strcmp(model->source, "huggingface") == 0)
        own = mlx_format("hf.co/%s", model->name);
    else
        own = mlx_strdup(strncmp(model->name, "local/", 6) == 0 ? model->name + 6 : model->name);
    if (mlx_name_ollama(own, name, err))
        return mlx_error_hint(err, "choose one with --as NAME:TAG");
    return 0;
}

static int read_blob_header(const mlx_expose_t *what, const mlx_model_file_t *file,
                            mlx_gguf_t *info, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *blob = mlx_blob_path(file->sha256);
    MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(what->home, blob, err);
    return fd < 0 ? -1 : mlx_gguf_check(fd, file->size, info, err);
}

/*  What a model that was Ollama's has beside its weights. TEXTS ends with NULL. */
static int place_texts(const mlx_expose_t *what, mlx_cache_plan_t *plan,
                       const mlx_model_file_t **texts, mlx_error_t *err)
{
    const mlx_model_t *model = what->model;
    size_t count = 0;
    for (size_t i = 0; strcmp(model->source, "ollama") == 0 && i < model->count; i++) {
        if (!mlx_ollama_text_kind(model->files[i].path))
            continue;
        if (place_blob(what, plan, &model->files[i], err))
            return -1;
        texts[count++] = &model->files[i];
    }
    texts[count] = NULL;
    return 0;
}

/*  What the model's own generation_config.json recommends. */
static int place_params(const mlx_expose_t *what, mlx_cache_plan_t *plan, mlx_buf_t *params,
                        mlx_error_t *err)
{
    for (size_t i = 0; i < what->model->count; i++) {
        const mlx_model_file_t *file = &what->model->files[i];
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t json = {0};
        if (strcmp(file->path, "generation_config.json") != 0 ||
            mlx_ollama_read_blob(what->home, file->sha256, &json, NULL))
            continue;
        MLX_CLEANUP(mlx_value_destroy)
        mlx_value_t *generation = mlx_json_parse(mlx_buf_str(&json), json.len, NULL);
        mlx_ollama_params(generation, params);
    }
    return params->len ? mlx_ollama_plan_blob(what, plan, params, err) : 0;
}

/*  Blobs that a model of Ollama's own lacks and the cache has: put back, and no more than that. */
static int heal(const mlx_expose_t *what, mlx_cache_plan_t *plan, const mlx_manifest_t *manifest,
                mlx_error_t *err)
{
    for (size_t i = 0; i < manifest->count + 1; i++) {
        const mlx_layer_t *layer = i < manifest->count ? &manifest->layers[i] : &manifest->config;
        MLX_CLEANUP(mlx_free_p) char *blob = mlx_blob_path(layer->sha256);
        MLX_CLEANUP(mlx_free_p)
        char *name = i < manifest->count ? mlx_ollama_layer_name(manifest, i) : NULL;
        mlx_model_file_t file = {.path = name ? name : (char[]){"config.json"},
                                 .size = layer->size};
        struct stat st;
        memcpy(file.sha256, layer->sha256, sizeof file.sha256);
        if (mlx_fs_stat(what->home, blob, &st, NULL) > 0 && (uint64_t)st.st_size == layer->size &&
            place_blob(what, plan, &file, err))
            return -1;
    }
    return 0;
}

static bool has_layer(const mlx_manifest_t *manifest, const char *sha256)
{
    for (size_t i = 0; i < manifest->count; i++)
        if (strcmp(manifest->layers[i].sha256, sha256) == 0)
            return true;
    return false;
}

static int expose_gguf(const mlx_expose_t *what, mlx_cache_plan_t *plan,
                       const mlx_model_file_t *weights, const mlx_model_file_t *projector,
                       mlx_error_t *err)
{
    mlx_gguf_t info;
    mlx_ollama_name_t name;
    if (read_blob_header(what, weights, &info, err) || choose_name(what, &info, &name, err))
        return -1;
    MLX_CLEANUP(mlx_manifest_destroy)
    mlx_manifest_t *theirs = mlx_ollama_find_manifest(what->store, &name);
    if (theirs && has_layer(theirs, weights->sha256))
        return heal(what, plan, theirs, err);
    if (place_blob(what, plan, weights, err) ||
        (projector && place_blob(what, plan, projector, err)))
        return -1;
    MLX_CLEANUP(mlx_free_p)
    const mlx_model_file_t **texts = mlx_alloc(what->model->count + 1, sizeof *texts);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t params = {0};
    if (place_texts(what, plan, texts, err) || place_params(what, plan, &params, err))
        return -1;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t config = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t manifest = {0};
    mlx_ollama_compose(&(mlx_ollama_parts_t){.info = &info,
                                             .weights = weights,
                                             .projector = projector,
                                             .texts = texts,
                                             .params = &params},
                       &config, &manifest);
    return mlx_ollama_plan_manifest(what, plan, &name, &config, &manifest, err);
}

/*  A model that was pulled from an Ollama registry has its manifest with it: all layers, verbatim.
 */
static int expose_pulled(const mlx_expose_t *what, mlx_cache_plan_t *plan,
                         const mlx_model_file_t *kept, mlx_error_t *err)
{
    mlx_ollama_name_t name;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t manifest = {0};
    if (mlx_name_ollama(what->as ? what->as : what->model->name, &name, err) ||
        mlx_ollama_read_blob(what->home, kept->sha256, &manifest, err))
        return -1;
    for (size_t i = 0; i < what->model->count; i++)
        if (&what->model->files[i] != kept && place_blob(what, plan, &what->model->files[i], err))
            return -1;
    return mlx_ollama_plan_manifest(what, plan, &name, NULL, &manifest, err);
}

/*  What keeps a model without a manifest of its own from being Ollama's; NULL: nothing. */
static const char *find_weights(const mlx_model_t *model, const mlx_model_file_t **weights,
                                const mlx_model_file_t **projector)
{
    size_t safetensors = 0;
    *weights = *projector = NULL;
    for (size_t i = 0; i < model->count; i++) {
        const mlx_model_file_t *file = &model->files[i];
        mlx_file_kind_t kind = mlx_file_kind(file->path);
        if (kind == MLX_FILE_SAFETENSORS)
            safetensors++;
        else if (kind == MLX_FILE_GGUF && strcasestr(file->path, "mmproj"))
            *projector = file;
        else if (kind == MLX_FILE_GGUF && *weights)
            return "its GGUF is split into several files and Ollama loads only one: merge them "
                   "first";
        else if (kind == MLX_FILE_GGUF)
            *weights = file;
    }
    if (*weights)
        return NULL;
    if (safetensors)
        return "Ollama keeps MLX models as one blob per tensor, often repacked: their bytes never "
               "equal these files, so nothing can be shared; use the model through the Hugging "
               "Face "
               "cache, or a GGUF of it";
    return "it has no GGUF file";
}

static const mlx_model_file_t *find_manifest(const mlx_model_t *model)
{
    for (size_t i = 0; i < model->count; i++)
        if (strcmp(model->files[i].path, MLX_OLLAMA_MANIFEST) == 0)
            return &model->files[i];
    return NULL;
}

static int ollama_expose(const mlx_expose_t *what, mlx_cache_plan_t *plan, mlx_error_t *err)
{
    const mlx_model_file_t *weights, *projector, *kept = find_manifest(what->model);
    const char *fault = kept ? NULL : find_weights(what->model, &weights, &projector);
    if (fault) {
        mlx_error_set(err, MLX_ERR_USAGE, "%s cannot be linked to Ollama", what->model->name);
        return mlx_error_hint(err, "%s", fault);
    }
    mlx_expose_folder(what, plan, "blobs");
    return kept ? expose_pulled(what, plan, kept, err)
                : expose_gguf(what, plan, weights, projector, err);
}

const mlx_adapter_t mlx_adapter_ollama = {
    .name = "ollama",
    .title = "Ollama",
    .stores = ollama_stores,
    .is_store = ollama_is_store,
    .scan = ollama_scan,
    .expose = ollama_expose,
    .in_use = ollama_in_use,
};
