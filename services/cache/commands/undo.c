/*  Bringing back what clean or remove freed: from this machine where any app still has it, else
 *  from where it came, at the same commit. */
#include "services/cache/commands/internal.h"

#include "common/base/json.h"
#include "proto/utf8.h"
#include "services/cache/model/names.h"
#include "services/cache/model/weights.h"
#include "services/cache/remote/hub.h"
#include "services/cache/remote/oci.h"
#include "services/cache/remote/ollama_manifest.h"
#include "services/cache/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the record ---- */

/*  Text that JSON can hold. */
static bool is_text(const mlx_buf_t *buf)
{
    const unsigned char *bytes = (const unsigned char *)buf->data;
    for (size_t at = 0, len; at < buf->len; at += len) {
        len = bytes[at] < 0x80 ? bytes[at] != 0 : mlx_utf8_sequence(bytes + at, buf->len - at);
        if (len == 0)
            return false;
    }
    return true;
}

/*  A registry has no old manifests: this one is kept with the record. */
static void keep_manifest(mlx_cache_t *self, const mlx_model_file_t *file, mlx_value_t *out)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    if (strcmp(file->path, MLX_OLLAMA_MANIFEST) == 0 &&
        mlx_ollama_read_blob(self->home, file->sha256, &text, NULL) == 0 && is_text(&text))
        mlx_value_set_str(out, "manifest", mlx_buf_str(&text));
}

static mlx_value_t *write_model(mlx_cache_t *self, const mlx_model_t *model)
{
    mlx_value_t *out = mlx_value_map();
    mlx_value_set_str(out, "name", model->name);
    mlx_value_set_str(out, "source", model->source);
    mlx_value_set_str(out, "revision", model->revision);
    mlx_value_set_str(out, "origin", model->origin);
    mlx_value_set_int(out, "added_at", model->added_at);
    mlx_value_t *files = mlx_value_set(out, "files", mlx_value_list());
    for (size_t i = 0; i < model->count; i++) {
        const mlx_model_file_t *file = &model->files[i];
        mlx_value_t *one = mlx_value_append(files, mlx_value_map());
        mlx_value_set_str(one, "path", file->path);
        mlx_value_set_str(one, "sha256", file->sha256);
        mlx_value_set_str(one, "etag", file->etag);
        mlx_value_set_int(one, "size", (int64_t)file->size);
        keep_manifest(self, file, out);
    }
    return out;
}

void mlx_cache_record(mlx_cache_t *self, mlx_cache_plan_t *plan, mlx_model_t *const *models,
                      size_t count)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *record = mlx_value_map();
    mlx_value_t *list = mlx_value_set(record, "models", mlx_value_list());
    for (size_t i = 0; i < count; i++)
        mlx_value_append(list, write_model(self, models[i]));
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t json = {0};
    mlx_json_write(&json, record, false);
    plan->record = mlx_strdup(mlx_buf_str(&json));
}

static int read_file(mlx_model_t *model, const mlx_value_t *one, mlx_error_t *err)
{
    const char *path = mlx_value_str(one, "path"), *sha256 = mlx_value_str(one, "sha256");
    const char *etag = mlx_value_str(one, "etag");
    int64_t size = -1;
    mlx_value_int(one, "size", &size);
    if (!path || !sha256 || !mlx_is_hex(sha256, MLX_SHA256_HEX) || size < 0 ||
        mlx_name_path(path, err) || (etag && *etag && mlx_name_etag(etag, err)))
        return -1;
    mlx_model_file_t *file = mlx_model_add_file(model, path);
    snprintf(file->sha256, sizeof file->sha256, "%s", sha256);
    snprintf(file->etag, sizeof file->etag, "%s", etag ? etag : "");
    file->size = (uint64_t)size;
    return 0;
}

static mlx_model_t *read_model(mlx_cache_t *self, const mlx_value_t *record, mlx_error_t *err)
{
    const char *name = mlx_value_str(record, "name"), *source = mlx_value_str(record, "source");
    const mlx_value_t *files = mlx_value_get(record, "files");
    mlx_model_t *model =
        name && source ? mlx_cache_new_model(self, name, source, mlx_value_str(record, "revision"))
                       : NULL;
    bool sound = model && mlx_name_path(model->view, err) == 0;
    for (size_t i = 0; sound && i < mlx_value_size(files); i++)
        sound = read_file(model, mlx_value_at(files, i), err) == 0;
    if (!sound) {
        mlx_error_set(err, MLX_ERR_FAILED, "the journal's record of a model cannot be read");
        mlx_error_hint(err, "add the model again");
        mlx_model_destroy(&model);
        return NULL;
    }
    model->origin = mlx_strdup(mlx_value_str(record, "origin"));
    return model;
}

/* ---- where it can be obtained ---- */

typedef struct {
    mlx_cache_t *cache;
    const mlx_model_t *model;
    mlx_wanted_t *wanted;
    mlx_hub_t *hub;
    mlx_oci_t *oci;
    char *auth; /* at an Ollama registry */
    bool dry_run;
    const mlx_cache_transfer_t *transfer;
    uint64_t local; /* dry run: bytes that the path it was taken from still has */
} back_t;

static int from_oci(back_t *b, mlx_error_t *err)
{
    b->oci = mlx_oci_new(b->model->origin, &b->cache->options.env, err);
    for (size_t i = 0; b->oci && i < b->model->count; i++)
        b->wanted[i].url = mlx_oci_blob_url(b->oci, b->model->files[i].sha256);
    return b->oci ? 0 : -1;
}

static int from_hub(back_t *b, mlx_error_t *err)
{
    const mlx_model_t *model = b->model;
    MLX_CLEANUP(mlx_free_p)
    char *repo = model->origin ? mlx_strdup(model->origin)
                               : mlx_strndup(model->name, strcspn(model->name, ":"));
    if (mlx_name_repo(repo, err) || !model->revision || mlx_name_commit(model->revision, err))
        return 0; /* its bytes may be on this machine all the same */
    b->hub = mlx_hub_new(&b->cache->options.env, err);
    for (size_t i = 0; b->hub && i < model->count; i++) {
        b->wanted[i].url = mlx_hub_file_url(b->hub, repo, model->revision, model->files[i].path);
        b->wanted[i].auth = mlx_hub_auth(b->hub);
    }
    return b->hub ? 0 : -1;
}

static int from_ollama(back_t *b, mlx_error_t *err)
{
    mlx_ollama_name_t name;
    (void)err;
    if (mlx_name_ollama(b->model->origin ? b->model->origin : b->model->name, &name, NULL))
        return 0;
    MLX_CLEANUP(mlx_free_p) char *base = mlx_cache_registry_url(&name);
    for (size_t i = 0; i < b->model->count; i++)
        b->wanted[i].url = mlx_format("%s/blobs/sha256:%s", base, b->model->files[i].sha256);
    return 0;
}

static int locate(back_t *b, mlx_error_t *err)
{
    for (size_t i = 0; i < b->model->count; i++) {
        const mlx_model_file_t *file = &b->model->files[i];
        mlx_model_file_t *wanted = &b->wanted[i].file;
        *wanted = mlx_model_file_copy(file);
        if (!*wanted->etag)
            memcpy(wanted->etag, file->sha256, sizeof wanted->etag);
    }
    if (mlx_starts_with(b->model->origin, "oci://"))
        return from_oci(b, err);
    if (strcmp(b->model->source, "huggingface") == 0)
        return from_hub(b, err);
    return strcmp(b->model->source, "ollama") == 0 ? from_ollama(b, err) : 0;
}

/*  A model that was taken from a path: the file there may still be the same. */
static void take_from_path(back_t *b, const mlx_model_file_t *file)
{
    mlx_cache_t *self = b->cache;
    struct stat st;
    if (!mlx_starts_with(b->model->origin, "/") || stat(b->model->origin, &st) != 0 ||
        mlx_cache_store_has(self->home, file->sha256, file->size, NULL) > 0)
        return;
    MLX_CLEANUP(mlx_free_p)
    char *full = S_ISDIR(st.st_mode) ? mlx_format("%s/%s", b->model->origin, file->path)
                                     : mlx_strdup(b->model->origin);
    if (stat(full, &st) != 0 || (uint64_t)st.st_size != file->size)
        return;
    if (b->dry_run) {
        b->local += file->size;
        return;
    }
    char *slash = strrchr(full, '/');
    MLX_CLEANUP(mlx_free_p)
    char *folder = slash == full ? mlx_strdup("/") : mlx_strndup(full, (size_t)(slash - full));
    const mlx_root_t *root = mlx_roots_get(self->roots, folder, NULL);
    unsigned methods = mlx_weights_is_shared(file->path, file->size)
                           ? mlx_cache_weight_methods(false)
                           : mlx_cache_small_methods();
    char hex[MLX_HEX_MAX];
    if (root)
        mlx_cache_store_adopt(&self->engine, self->home, root, slash + 1, file->path, file->sha256,
                              methods, hex, NULL);
}

/* ---- bringing it back ---- */

static int put_manifest(back_t *b, const mlx_value_t *record, mlx_error_t *err)
{
    const char *text = mlx_value_str(record, "manifest");
    char hex[MLX_HEX_MAX];
    return text ? mlx_cache_store_put(&b->cache->engine, b->cache->home, text, strlen(text), hex,
                                      err)
                : 0;
}

/*  The kept manifest is not a file to be fetched. */
static uint64_t kept_bytes(const back_t *b, const mlx_value_t *record)
{
    const char *text = mlx_value_str(record, "manifest");
    char hex[MLX_HEX_MAX];
    if (!text)
        return 0;
    mlx_sha256_hex(text, strlen(text), hex);
    return mlx_cache_store_has(b->cache->home, hex, strlen(text), NULL) > 0 ? 0 : strlen(text);
}

static bool has_urls(const back_t *b)
{
    return b->model->count && b->wanted[0].url;
}

static int fetch(back_t *b, bool dry_run, mlx_value_t *report, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_model_destroy)
    mlx_model_t *got = mlx_cache_new_model(b->cache, b->model->name, b->model->source, NULL);
    if (mlx_cache_fetch(b->cache, got, b->wanted, b->model->count, dry_run, b->transfer, report,
                        err))
        return -1;
    for (size_t i = 0; !dry_run && i < got->count; i++)
        if (strcmp(got->files[i].sha256, b->model->files[i].sha256) != 0)
            return mlx_error_set(err, MLX_ERR_DATA_LOSS, "%s of %s is a different file there now",
                                 got->files[i].path, b->model->name);
    return 0;
}

/*  Registries say with the first answer whether they want a token. */
static int log_in(back_t *b, mlx_error_t *err)
{
    mlx_ollama_name_t name;
    const char *auth = NULL;
    if (b->oci && mlx_oci_has(b->oci, b->model->files[0].sha256, err) < 0)
        return -1;
    if (b->oci) {
        auth = mlx_oci_auth(b->oci);
    } else if (strcmp(b->model->source, "ollama") == 0 &&
               mlx_name_ollama(b->model->origin ? b->model->origin : b->model->name, &name, err) ==
                   0) {
        /* A tag that is gone by now is not a reason: its blobs may be there. */
        auth = b->auth = mlx_cache_registry_auth(b->cache, &name, NULL, NULL);
    }
    for (size_t i = 0; auth && *auth && i < b->model->count; i++)
        b->wanted[i].auth = auth;
    return 0;
}

/*  What is missing is counted first: without a place to fetch it from nothing is begun, and where
 *  nothing is missing nobody is asked. */
static int bring_model(back_t *b, const mlx_value_t *record, mlx_value_t *report, mlx_error_t *err)
{
    for (size_t i = 0; i < b->model->count; i++)
        take_from_path(b, &b->model->files[i]);
    if (locate(b, err) || (!b->dry_run && put_manifest(b, record, err)) ||
        fetch(b, true, report, err))
        return -1;
    int64_t here = (int64_t)(b->local + (b->dry_run ? kept_bytes(b, record) : 0));
    int64_t missing = 0;
    mlx_value_int(report, "missing", &missing);
    missing -= here;
    if (missing > 0 && !has_urls(b)) {
        mlx_error_set(err, MLX_ERR_NOT_FOUND,
                      "%s cannot be restored: no app has its bytes any more", b->model->name);
        return mlx_error_hint(err, "it came from %s: add it from where it is now",
                              b->model->origin ? b->model->origin : "an app");
    }
    mlx_value_set_int(report, "missing", missing > 0 ? missing : 0);
    if (b->dry_run)
        return 0;
    if (missing > 0 && log_in(b, err))
        return -1;
    return fetch(b, false, report, err) || mlx_cache_publish_again(b->cache, b->model, err) ? -1
                                                                                            : 0;
}

/*  A model of that name that is another one now is not replaced. */
static int check_name(mlx_cache_t *self, const mlx_model_t *model, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_model_destroy)
    mlx_model_t *now = mlx_registry_get_model(self->db, model->name, NULL);
    bool same = !now || now->count == model->count;
    for (size_t i = 0; now && same && i < now->count; i++) {
        same = false;
        for (size_t k = 0; !same && k < model->count; k++)
            same = strcmp(now->files[i].path, model->files[k].path) == 0 &&
                   strcmp(now->files[i].sha256, model->files[k].sha256) == 0;
    }
    if (same)
        return 0;
    mlx_error_set(err, MLX_ERR_DATA_LOSS, "the cache now has a different %s", model->name);
    return mlx_error_hint(err, "remove that one first");
}

static int bring_one(mlx_cache_t *self, const mlx_value_t *record, bool dry_run,
                     const mlx_cache_transfer_t *transfer, mlx_value_t *list, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_model_destroy) mlx_model_t *model = read_model(self, record, err);
    if (!model || check_name(self, model, err))
        return -1;
    back_t b = {.cache = self,
                .model = model,
                .wanted = mlx_alloc(model->count + 1, sizeof(mlx_wanted_t)),
                .dry_run = dry_run,
                .transfer = transfer};
    mlx_value_t *report = mlx_value_append(list, mlx_value_map());
    mlx_value_set_str(report, "model", model->name);
    mlx_value_set_str(report, "source", model->source);
    mlx_value_set_str(report, "origin", model->origin);
    mlx_value_set_str(report, "revision", model->revision);
    mlx_value_set_int(report, "size", (int64_t)mlx_model_size(model));
    int rc = bring_model(&b, record, report, err);
    mlx_wanted_free(&b.wanted, model->count);
    mlx_hub_destroy(&b.hub);
    mlx_oci_destroy(&b.oci);
    free(b.auth);
    return rc;
}

int mlx_cache_bring_model(mlx_cache_t *self, const mlx_model_t *model,
                          const mlx_cache_transfer_t *transfer, mlx_value_t *list, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *record = write_model(self, model);
    return bring_one(self, record, false, transfer, list, err);
}

mlx_value_t *mlx_cache_bring_back(mlx_cache_t *self, const mlx_cache_plan_t *plan, bool dry_run,
                                  const mlx_cache_transfer_t *transfer, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *record = mlx_json_parse(plan->record, strlen(plan->record), err);
    if (!record)
        return NULL;
    mlx_value_t *report = mlx_value_map();
    mlx_value_set_str(report, "operation", plan->kind);
    mlx_value_set_int(report, "id", plan->id);
    mlx_value_set_bool(report, "dry_run", dry_run);
    mlx_value_t *list = mlx_value_set(report, "restored", mlx_value_list());
    const mlx_value_t *models = mlx_value_get(record, "models");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < mlx_value_size(models); i++)
        rc = bring_one(self, mlx_value_at(models, i), dry_run, transfer, list, err);
    /* The operation is undone when all of it is: until then undo can be called again. */
    if (rc == 0 && !dry_run)
        rc = mlx_fs_gate(&self->options.fs, "commit", plan->kind, err) ||
             mlx_journal_close(self->db, plan, "undone", self->options.now_s(), err);
    if (rc)
        mlx_value_destroy(&report);
    return report;
}
