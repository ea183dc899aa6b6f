/*  Will a model fit in memory: from its header, before it is downloaded or loaded. */
#include "services/cache/commands/internal.h"

#include "common/base/json.h"
#include "services/cache/model/manifest.h"
#include "services/cache/model/reference.h"
#include "services/cache/model/shape.h"
#include "services/cache/model/weights.h"
#include "services/cache/store/store.h"
#include "services/cache/transfer/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    HEAD_FIRST = 1 << 20, /* of a GGUF header, which is as long as its vocabulary */
    HEAD_MOST = 1 << 26,
    HEAD_GROWTH = 4,
    CONFIG_MAX = 1 << 20,
};

/*  A file of the model: on this machine, or behind a URL. */
typedef struct {
    char *name;
    uint64_t size;
    char *path; /* NULL: it is elsewhere */
    char *url;
    char *auth; /* NULL: none */
} part_t;

typedef struct {
    char *name;
    part_t *parts;
    size_t count;
} subject_t;

static part_t *add_part(subject_t *self, const char *name, uint64_t size)
{
    self->parts = mlx_grow(self->parts, self->count, sizeof *self->parts);
    part_t *part = &self->parts[self->count++];
    *part = (part_t){.name = mlx_strdup(name), .size = size};
    return part;
}

static void subject_clear(subject_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free(self->parts[i].name);
        free(self->parts[i].path);
        free(self->parts[i].url);
        free(self->parts[i].auth);
    }
    free(self->parts);
    free(self->name);
    *self = (subject_t){0};
}

/* ---- what there is ---- */

static void list_model(mlx_cache_t *self, const mlx_model_t *model, subject_t *out)
{
    out->name = mlx_strdup(model->name);
    for (size_t i = 0; i < model->count; i++) {
        MLX_CLEANUP(mlx_free_p) char *blob = mlx_blob_path(model->files[i].sha256);
        add_part(out, model->files[i].path, model->files[i].size)->path =
            mlx_root_join(self->home, blob);
    }
}

static int list_hub(mlx_cache_t *self, const mlx_reference_t *reference, subject_t *out,
                    mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p)
    char *inside = reference->folder ? mlx_format("%s/*", reference->folder) : NULL;
    const char *const patterns[] = {inside, NULL};
    const mlx_cache_add_options_t options = {.revision = reference->revision,
                                             .include = inside ? patterns : NULL};
    char commit[MLX_SHA1_HEX + 1];
    bool gguf;
    MLX_CLEANUP(mlx_hub_destroy) mlx_hub_t *hub = mlx_hub_new(&self->options.env, err);
    MLX_CLEANUP(mlx_tree_destroy)
    mlx_tree_t *tree = hub ? mlx_cache_list_hub(hub, reference->repo, reference->quant, &options,
                                                commit, &gguf, err)
                           : NULL;
    out->name = mlx_strdup(reference->repo);
    for (size_t i = 0; tree && i < tree->count; i++) {
        if (!tree->files[i].selected)
            continue;
        const mlx_model_file_t *file = &tree->files[i].file;
        part_t *part = add_part(out, file->path, file->size);
        part->url = mlx_hub_file_url(hub, reference->repo, commit, part->name);
        part->auth = mlx_strdup(mlx_hub_auth(hub));
    }
    return tree ? 0 : -1;
}

static int list_ollama(mlx_cache_t *self, const char *text, subject_t *out, mlx_error_t *err)
{
    mlx_ollama_name_t name;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t json = {0};
    MLX_CLEANUP(mlx_free_p)
    char *auth = mlx_name_ollama(text, &name, err) == 0
                     ? mlx_cache_registry_auth(self, &name, &json, err)
                     : NULL;
    MLX_CLEANUP(mlx_manifest_destroy)
    mlx_manifest_t *manifest = auth ? mlx_manifest_parse(mlx_buf_str(&json), json.len, err) : NULL;
    MLX_CLEANUP(mlx_free_p) char *base = manifest ? mlx_cache_registry_url(&name) : NULL;
    out->name = mlx_strdup(text);
    for (size_t i = 0; manifest && i < manifest->count; i++) {
        const mlx_layer_t *layer = &manifest->layers[i];
        bool model = strcmp(layer->media_type, MLX_LAYER_MODEL) == 0;
        if (!model && strcmp(layer->media_type, MLX_LAYER_PROJECTOR) != 0)
            continue;
        part_t *part = add_part(out, model ? "model.gguf" : "mmproj.gguf", layer->size);
        part->url = mlx_format("%s/blobs/sha256:%s", base, layer->sha256);
        part->auth = *auth ? mlx_strdup(auth) : NULL;
    }
    return manifest ? 0 : -1;
}

static int list_path(mlx_cache_t *self, const char *path, subject_t *out, mlx_error_t *err)
{
    struct stat st;
    const char *slash = strrchr(path, '/');
    out->name = mlx_strdup(path);
    if (stat(path, &st) != 0)
        return mlx_fs_error(err, errno, "find", path);
    if (!S_ISDIR(st.st_mode)) {
        add_part(out, slash ? slash + 1 : path, (uint64_t)st.st_size)->path = mlx_strdup(path);
        return 0;
    }
    const mlx_root_t *root = mlx_roots_get(self->roots, path, err);
    if (!root)
        return -1;
    MLX_CLEANUP(mlx_scan_destroy) mlx_scan_t *scan = mlx_scan_new();
    mlx_scan_store(scan, "dir", root);
    mlx_scan_folder(scan, "dir", root, 0);
    for (size_t i = 0; i < scan->count; i++)
        if (*scan->files[i].path)
            add_part(out, scan->files[i].path, scan->files[i].id.size)->path =
                mlx_format("%s/%s", path, scan->files[i].path);
    return 0;
}

static int find_subject(mlx_cache_t *self, const char *text, subject_t *out, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_model_destroy)
    mlx_model_t *model = mlx_registry_get_model(self->db, text, NULL);
    MLX_CLEANUP(mlx_reference_clear) mlx_reference_t reference = {0};
    if (model) {
        list_model(self, model, out);
        return 0;
    }
    if (mlx_reference_parse(text, mlx_env_get(&self->options.env, "HF_ENDPOINT"), &reference, err))
        return -1;
    if (reference.kind == MLX_REFERENCE_HUB)
        return list_hub(self, &reference, out, err);
    if (reference.kind == MLX_REFERENCE_PATH)
        return list_path(self, text, out, err);
    if (reference.kind == MLX_REFERENCE_OLLAMA)
        return list_ollama(self, reference.ollama ? reference.ollama : text, out, err);
    mlx_error_set(err, MLX_ERR_USAGE, "the header of %s cannot be read there", text);
    return mlx_error_hint(err, "mlx-cache add it first");
}

/* ---- its header ---- */

/*  The first LEN bytes of a file that is elsewhere. */
static int fetch_head(const part_t *part, uint64_t len, mlx_fetch_reply_t *reply, mlx_error_t *err)
{
    const mlx_fetch_t request = {
        .url = part->url, .auth = part->auth, .to = len, .max_body = (size_t)len};
    if (mlx_fetch(&request, reply, err))
        return -1;
    if (reply->status == 206 || (reply->status == 200 && reply->body.len == part->size))
        return 0;
    return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "HTTP %ld for the header of %s", reply->status,
                         part->name);
}

static mlx_shape_t *remote_gguf(const part_t *part, mlx_error_t *err)
{
    for (uint64_t len = HEAD_FIRST;; len *= HEAD_GROWTH) {
        uint64_t want = len < part->size ? len : part->size;
        MLX_CLEANUP(mlx_fetch_reply_clear) mlx_fetch_reply_t reply;
        if (fetch_head(part, want, &reply, err))
            return NULL;
        mlx_shape_t *shape =
            mlx_shape_of_gguf(-1, mlx_buf_str(&reply.body), reply.body.len, part->size, err);
        if (shape || want == part->size || len >= HEAD_MOST)
            return shape;
    }
}

static mlx_shape_t *read_gguf(const part_t *part, mlx_error_t *err)
{
    if (!part->path)
        return remote_gguf(part, err);
    MLX_CLEANUP(mlx_close_p) int fd = open(part->path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        return mlx_shape_of_gguf(fd, NULL, 0, part->size, err);
    mlx_fs_error(err, errno, "read", part->path);
    return NULL;
}

static mlx_shape_t *read_config(const part_t *part, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_fetch_reply_clear) mlx_fetch_reply_t reply = {.retry_after_s = -1};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *config = NULL;
    if (part->path)
        config = mlx_json_load(part->path, err);
    else if (part->size && part->size <= CONFIG_MAX &&
             fetch_head(part, part->size, &reply, err) == 0)
        config = mlx_json_parse(mlx_buf_str(&reply.body), reply.body.len, err);
    return config ? mlx_shape_of_config(config, err) : NULL;
}

static const part_t *find_part(const subject_t *s, const char *pattern)
{
    for (size_t i = 0; i < s->count; i++)
        if (mlx_name_match(pattern, s->parts[i].name) && !strcasestr(s->parts[i].name, "mmproj"))
            return &s->parts[i];
    return NULL;
}

/*  The first file has the numbers; what the others weigh is their size but for their headers. */
static mlx_shape_t *read_shape(const subject_t *s, mlx_error_t *err)
{
    const part_t *gguf = find_part(s, "*.gguf"), *config = find_part(s, "config.json");
    mlx_shape_t *shape = NULL;
    if (gguf)
        shape = read_gguf(gguf, err);
    else if (config)
        shape = read_config(config, err);
    else
        mlx_error_set(err, MLX_ERR_FAILED, "%s has neither a GGUF file nor a config.json", s->name);
    for (size_t i = 0; shape && i < s->count; i++)
        if (&s->parts[i] != gguf && mlx_weights_format(s->parts[i].name))
            shape->weights += s->parts[i].size;
    return shape;
}

/* ---- the answer ---- */

/*  What would have to go: the smallest model that is enough, else all from the largest on. */
static void report_without(const mlx_machine_t *machine, uint64_t need, mlx_value_t *report)
{
    const char *one = NULL;
    uint64_t least = 0, sum = 0;
    for (size_t i = 0; i < mlx_value_size(machine->loaded); i++) {
        const mlx_value_t *model = mlx_value_at(machine->loaded, i);
        int64_t size = 0;
        const char *name = mlx_value_str(model, "name");
        if (!name || !mlx_value_int(model, "size", &size) || size <= 0)
            continue;
        sum += (uint64_t)size;
        if (machine->available + (uint64_t)size >= need && (!one || (uint64_t)size < least)) {
            one = name;
            least = (uint64_t)size;
        }
    }
    if (!one && machine->available + sum < need)
        return;
    mlx_value_t *names = mlx_value_set(report, "fits_without", mlx_value_list());
    if (one) {
        mlx_value_append(names, mlx_value_new_str(one));
        return;
    }
    for (size_t i = 0; i < mlx_value_size(machine->loaded); i++)
        mlx_value_append(
            names, mlx_value_new_str(mlx_value_str(mlx_value_at(machine->loaded, i), "name")));
}

static void report_machine(const mlx_machine_t *machine, const mlx_memory_t *memory,
                           mlx_value_t *report)
{
    uint64_t need = mlx_memory_total(memory);
    if (machine->total)
        mlx_value_set_int(report, "machine", (int64_t)machine->total);
    if (machine->gpu_available)
        mlx_value_set_int(report, "gpu_available", (int64_t)machine->gpu_available);
    if (machine->available) {
        bool fits = need <= machine->available || need <= machine->gpu_available;
        mlx_value_set_int(report, "available", (int64_t)machine->available);
        mlx_value_set_bool(report, "fits", fits);
        if (!fits)
            report_without(machine, need, report);
    }
    /* Generating reads all weights once for each token. */
    if (machine->tokens_per_second > 0 && machine->measured_bytes && memory->weights)
        mlx_value_set_real(report, "tokens_per_second",
                           machine->tokens_per_second * (double)machine->measured_bytes /
                               (double)memory->weights);
}

mlx_value_t *mlx_cache_fits(mlx_cache_t *self, const char *model, const mlx_load_t *load,
                            const mlx_machine_t *machine, mlx_error_t *err)
{
    MLX_CLEANUP(subject_clear) subject_t subject = {0};
    if (find_subject(self, model, &subject, err))
        return NULL;
    MLX_CLEANUP(mlx_shape_destroy) mlx_shape_t *shape = read_shape(&subject, err);
    if (!shape)
        return NULL;
    mlx_memory_t memory = mlx_shape_memory(shape, load);
    mlx_value_t *report = mlx_value_map();
    mlx_value_set_str(report, "model", subject.name);
    mlx_value_set_str(report, "architecture", shape->architecture);
    mlx_value_set_int(report, "context", mlx_shape_context(shape, load));
    if (shape->context)
        mlx_value_set_int(report, "context_max", shape->context);
    mlx_value_set_int(report, "weights", (int64_t)memory.weights);
    mlx_value_set_int(report, "cache", (int64_t)memory.cache);
    mlx_value_set_int(report, "state", (int64_t)memory.state);
    mlx_value_set_int(report, "compute", (int64_t)memory.compute);
    mlx_value_set_int(report, "output", (int64_t)memory.output);
    mlx_value_set_int(report, "total", (int64_t)mlx_memory_total(&memory));
    report_machine(machine, &memory, report);
    return report;
}
