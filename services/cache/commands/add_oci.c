/*  Sharing models through an OCI registry: push, add, and mirrors that are asked before the hub. */
#include "services/cache/commands/internal.h"

#include "proto/json.h"
#include "services/cache/model/names.h"
#include "services/cache/model/weights.h"
#include "services/cache/remote/oci.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- push ---- */

static void add_layer(mlx_manifest_t *manifest, const char *type, const char *sha256, uint64_t size,
                      const char *title, const char *etag)
{
    mlx_layer_t *layer = &manifest->layers[manifest->count++];
    layer->media_type = mlx_strdup(type);
    snprintf(layer->sha256, sizeof layer->sha256, "%s", sha256);
    layer->size = size;
    layer->title = mlx_strdup(title);
    layer->etag = etag && *etag && strcmp(etag, sha256) != 0 ? mlx_strdup(etag) : NULL;
}

/*  What ModelPack calls a file. */
static const char *layer_type(const char *path)
{
    static const char *const docs[] = {"*.md", "LICENSE*", "*/LICENSE*", "*.pdf"};
    if (mlx_weights_format(path))
        return MLX_MODELPACK_PREFIX "weight.v1.raw";
    if (mlx_name_match("*.py", path))
        return MLX_MODELPACK_PREFIX "code.v1.raw";
    for (size_t i = 0; i < MLX_COUNT(docs); i++)
        if (mlx_name_match(docs[i], path))
            return MLX_MODELPACK_PREFIX "doc.v1.raw";
    return MLX_MODELPACK_PREFIX "weight.config.v1.raw";
}

static int compare_titles(const void *a, const void *b)
{
    const mlx_layer_t *x = a, *y = b;
    return strcmp(x->title, y->title);
}

/*  ModelPack's description: what is known, and the digest of each file. The same model gives the
 *  same bytes, also where it was pulled to: a copied signature fits. */
static void describe(const mlx_manifest_t *manifest, mlx_buf_t *json)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *config = mlx_value_map();
    mlx_value_t *descriptor = mlx_value_set(config, "descriptor", mlx_value_map());
    mlx_value_set_str(descriptor, "name", manifest->model);
    mlx_value_set_str(descriptor, "revision", manifest->revision);
    mlx_value_t *about = mlx_value_set(config, "config", mlx_value_map());
    for (size_t i = 0; i < manifest->count && !mlx_value_get(about, "format"); i++) {
        mlx_weights_t format = mlx_weights_format(manifest->layers[i].title);
        if (format)
            mlx_value_set_str(about, "format",
                              format == MLX_WEIGHTS_GGUF ? "gguf"
                                                         : mlx_weights_format_name(format));
    }
    mlx_value_t *files = mlx_value_set(config, "modelfs", mlx_value_map());
    mlx_value_set_str(files, "type", "layers");
    mlx_value_t *digests = mlx_value_set(files, "diffIds", mlx_value_list());
    for (size_t i = 0; i < manifest->count; i++) {
        MLX_CLEANUP(mlx_free_p) char *digest = mlx_format("sha256:%s", manifest->layers[i].sha256);
        mlx_value_append(digests, mlx_value_new_str(digest));
    }
    mlx_json_write(json, config, false);
}

static mlx_manifest_t *compose(const mlx_model_t *model, mlx_buf_t *config)
{
    mlx_manifest_t *manifest = mlx_alloc(1, sizeof *manifest);
    manifest->layers = mlx_alloc(model->count + 1, sizeof *manifest->layers);
    manifest->model = mlx_strdup(model->name);
    /* Of other sources nobody could do anything with it. */
    bool hub = strcmp(model->source, "huggingface") == 0;
    manifest->source = hub ? mlx_strdup(model->source) : NULL;
    manifest->revision = hub ? mlx_strdup(model->revision) : NULL;
    for (size_t i = 0; i < model->count; i++) {
        const mlx_model_file_t *file = &model->files[i];
        add_layer(manifest, layer_type(file->path), file->sha256, file->size, file->path,
                  file->etag);
    }
    qsort(manifest->layers, manifest->count, sizeof *manifest->layers, compare_titles);
    describe(manifest, config);
    manifest->config.media_type = mlx_strdup(MLX_MODELPACK_CONFIG);
    manifest->config.size = config->len;
    mlx_sha256_hex(mlx_buf_str(config), config->len, manifest->config.sha256);
    return manifest;
}

/*  1: it was there already. */
static int push_blob(mlx_cache_t *self, mlx_oci_t *oci, const char *model,
                     const mlx_model_file_t *file, mlx_error_t *err)
{
    int there = mlx_oci_has(oci, file->sha256, err);
    if (there)
        return there;
    if (mlx_cache_need_sound(self, model, file, err))
        return -1;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_blob_path(file->sha256);
    MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(self->home, path, err);
    return fd < 0
               ? -1
               : mlx_oci_push_file(oci, fd, file->size, file->sha256, mlx_cache_piece, self, err);
}

static int push_config(mlx_oci_t *oci, const mlx_manifest_t *manifest, const mlx_buf_t *config,
                       mlx_error_t *err)
{
    int there = mlx_oci_has(oci, manifest->config.sha256, err);
    if (there)
        return there < 0 ? -1 : 0;
    FILE *file = tmpfile();
    if (!file)
        return mlx_error_set(err, MLX_ERR_FAILED, "cannot create a temporary file");
    int rc = fwrite(config->data, 1, config->len, file) != config->len || fflush(file)
                 ? mlx_error_set(err, MLX_ERR_FAILED, "cannot write a temporary file")
                 : mlx_oci_push_file(oci, fileno(file), config->len, manifest->config.sha256, NULL,
                                     NULL, err);
    fclose(file);
    return rc;
}

mlx_value_t *mlx_cache_push(mlx_cache_t *self, const char *name, const char *reference,
                            bool dry_run, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_model_destroy) mlx_model_t *model = mlx_registry_get_model(self->db, name, err);
    MLX_CLEANUP(mlx_oci_destroy)
    mlx_oci_t *oci = model ? mlx_oci_new(reference, &self->options.env, err) : NULL;
    if (!oci)
        return NULL;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t config = {0};
    MLX_CLEANUP(mlx_manifest_destroy) mlx_manifest_t *manifest = compose(model, &config);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t json = {0};
    mlx_manifest_write_oci(&json, manifest);
    int same = dry_run ? 0 : mlx_oci_check_tag(oci, &json, err);
    if (same < 0)
        return NULL;
    uint64_t sent = 0, present = 0;
    mlx_cache_tell_begin(self, "push", "upload", name, dry_run ? 0 : mlx_model_size(model),
                         MLX_OCI_PIECE);
    for (size_t i = 0; !dry_run && i < model->count; i++) {
        int there = push_blob(self, oci, name, &model->files[i], err);
        if (there < 0)
            return NULL;
        const mlx_model_file_t *file = &model->files[i];
        *(there ? &present : &sent) += file->size;
        mlx_cache_tell_done(self, sent + present);
        mlx_cache_tell_file(self, name, file->path, file->size, there ? "present" : "sent", NULL);
    }
    /* Last, so that nobody sees a manifest whose blobs are not all there. */
    if (!dry_run && !same &&
        (push_config(oci, manifest, &config, err) || mlx_oci_push_manifest(oci, &json, err)))
        return NULL;
    mlx_value_t *report = mlx_cache_model_value(model);
    mlx_value_set_str(report, "reference", reference);
    mlx_value_set_int(report, "pushed", (int64_t)sent);
    mlx_value_set_int(report, "present", (int64_t)present);
    mlx_value_set_bool(report, "dry_run", dry_run);
    return report;
}

/* ---- add ---- */

/*  The name the model had where it was pushed, if it is one; else the reference's. */
static char *model_name(const mlx_manifest_t *manifest, const mlx_oci_t *oci, const char *as)
{
    mlx_ollama_name_t ollama;
    if (as)
        return mlx_strdup(as);
    if (manifest->model && (mlx_name_repo(manifest->model, NULL) == 0 ||
                            mlx_name_ollama(manifest->model, &ollama, NULL) == 0))
        return mlx_strdup(manifest->model);
    return mlx_format("%s:%s", mlx_oci_name(oci), mlx_oci_tag(oci));
}

static mlx_wanted_t *want_titled(const mlx_manifest_t *manifest, const mlx_oci_t *oci,
                                 size_t *count)
{
    mlx_wanted_t *wanted = mlx_alloc(manifest->count + 1, sizeof *wanted);
    *count = 0;
    for (size_t i = 0; i < manifest->count; i++) {
        const mlx_layer_t *layer = &manifest->layers[i];
        char *path =
            layer->title ? mlx_strdup(layer->title) : mlx_manifest_docker_path(manifest, i);
        if (!path)
            continue;
        mlx_wanted_t *w = &wanted[(*count)++];
        w->file = mlx_model_file_of(path, layer->sha256, layer->size);
        w->url = mlx_oci_blob_url(oci, layer->sha256);
        w->auth = mlx_oci_auth(oci);
    }
    return wanted;
}

/*  Files in archives cannot be shared with any app, and are not unpacked here. */
static int check_packing(const mlx_manifest_t *manifest, mlx_error_t *err)
{
    for (size_t i = 0; i < manifest->count; i++)
        if (mlx_layer_is_packed(&manifest->layers[i])) {
            mlx_error_set(err, MLX_ERR_FAILED, "the artifact keeps its files in archives (%s)",
                          manifest->layers[i].media_type);
            return mlx_error_hint(err, "pack it with raw layers: modctl build --raw");
        }
    return 0;
}

static int check_titles(const mlx_wanted_t *wanted, size_t count, mlx_error_t *err)
{
    if (!count)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "the artifact has no files with names");
    MLX_CLEANUP(mlx_free_p) const char **paths = mlx_alloc(count, sizeof *paths);
    for (size_t i = 0; i < count; i++)
        paths[i] = wanted[i].file.path;
    return mlx_name_distinct(paths, count, err);
}

/*  The hub's names of the files, so that the model can be linked into the hub's cache as well. */
static void restore_etags(mlx_model_t *model, const mlx_manifest_t *manifest)
{
    for (size_t i = 0; i < model->count; i++)
        for (size_t k = 0; k < manifest->count; k++)
            if (manifest->layers[k].title && manifest->layers[k].etag &&
                strcmp(manifest->layers[k].title, model->files[i].path) == 0)
                snprintf(model->files[i].etag, sizeof model->files[i].etag, "%s",
                         manifest->layers[k].etag);
}

static mlx_model_t *model_of(mlx_cache_t *self, const mlx_manifest_t *manifest,
                             const mlx_oci_t *oci, const char *as)
{
    MLX_CLEANUP(mlx_free_p) char *name = model_name(manifest, oci, as);
    bool hub = manifest->source && strcmp(manifest->source, "huggingface") == 0 &&
               manifest->revision && mlx_name_commit(manifest->revision, NULL) == 0;
    return mlx_cache_new_model(self, name, hub ? "huggingface" : "oci",
                               hub ? manifest->revision : NULL);
}

mlx_value_t *mlx_cache_add_oci(mlx_cache_t *self, const char *reference,
                               const mlx_cache_add_options_t *options, mlx_error_t *err)
{
    static const mlx_cache_add_options_t defaults;
    options = options ? options : &defaults;
    if (mlx_cache_need_write(self, err))
        return NULL;
    MLX_CLEANUP(mlx_oci_destroy) mlx_oci_t *oci = mlx_oci_new(reference, &self->options.env, err);
    MLX_CLEANUP(mlx_manifest_destroy)
    mlx_manifest_t *manifest = oci ? mlx_oci_manifest(oci, err) : NULL;
    if (!manifest)
        return NULL;
    size_t count;
    mlx_wanted_t *wanted = want_titled(manifest, oci, &count);
    MLX_CLEANUP(mlx_model_destroy) mlx_model_t *model = model_of(self, manifest, oci, options->as);
    model->origin = mlx_strdup(reference);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *sums = mlx_value_map();
    int rc = check_packing(manifest, err) || check_titles(wanted, count, err) ||
             mlx_wanted_need_weights(model->name, wanted, count, err) ||
             mlx_cache_fetch(self, model, wanted, count, options->dry_run, &options->transfer, sums,
                             err);
    mlx_wanted_free(&wanted, count);
    restore_etags(model, manifest);
    if (rc || (!options->dry_run && mlx_cache_publish(self, model, err)))
        return NULL;
    mlx_value_t *report = mlx_cache_model_value(model);
    mlx_cache_add_notes(self, model->name, report);
    for (size_t i = 0; i < mlx_value_size(sums); i++)
        mlx_value_set(report, mlx_value_key(sums, i), mlx_value_copy(mlx_value_at(sums, i)));
    mlx_value_set_bool(report, "dry_run", options->dry_run);
    return report;
}

/* ---- mirrors ---- */

/*  "<mirror>/<org>/<name>" in the lower case that registries take. */
static char *mirror_reference(const char *mirror, const char *repo)
{
    char *reference = mlx_format("%s/%s", mirror, repo);
    for (char *c = reference + strlen(mirror); *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return reference;
}

void mlx_cache_use_mirrors(mlx_cache_t *self, const char *repo, const char *const *mirrors,
                           mlx_wanted_t *wanted, size_t count)
{
    for (; mirrors && *mirrors; mirrors++) {
        MLX_CLEANUP(mlx_free_p) char *reference = mirror_reference(*mirrors, repo);
        MLX_CLEANUP(mlx_oci_destroy)
        mlx_oci_t *oci = mlx_oci_new(reference, &self->options.env, NULL);
        for (size_t i = 0; oci && i < count; i++) {
            mlx_wanted_t *w = &wanted[i];
            const char *sha256 = w->file.sha256;
            if (w->mirrored || !*sha256 || mlx_oci_has(oci, sha256, NULL) <= 0)
                continue;
            free(w->url);
            w->url = mlx_oci_blob_url(oci, sha256);
            w->mirrored = mlx_strdup(mlx_oci_auth(oci) ? mlx_oci_auth(oci) : "");
            w->auth = *w->mirrored ? w->mirrored : NULL;
        }
    }
}
