#include "services/cache/model/manifest.h"

#include "common/base/json.h"
#include "services/cache/model/names.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_LAYERS = 100000,
    MAX_MEDIA_TYPE = 200
};

#define MAX_LAYER_BYTES (1ll << 50)
#define OUR_ETAG "dev.mlx.etag"
#define OUR_MODEL "dev.mlx.model"
#define OUR_SOURCE "dev.mlx.source"
#define OUR_REVISION "dev.mlx.revision"

static void layer_clear(mlx_layer_t *layer)
{
    free(layer->media_type);
    free(layer->name);
    free(layer->title);
    free(layer->etag);
}

static int broken(mlx_error_t *err, const char *why)
{
    return mlx_error_set(err, MLX_ERR_FAILED, "manifest: %s", why);
}

/*  A string that could be cut short by a NUL inside it is not what it seems. */
static const char *plain_str(const mlx_value_t *map, const char *key, size_t max)
{
    size_t len;
    const char *s = mlx_value_as_str(mlx_value_get(map, key), &len);
    return s && strlen(s) == len && len <= max ? s : NULL;
}

static int read_layer(const mlx_value_t *value, mlx_layer_t *layer, mlx_error_t *err)
{
    const char *media_type = plain_str(value, "mediaType", MAX_MEDIA_TYPE);
    const char *digest = plain_str(value, "digest", 80);
    int64_t size;
    if (!media_type || !digest)
        return broken(err, "a layer has no mediaType or digest");
    if (mlx_name_digest(digest, layer->sha256, err))
        return mlx_error_prefix(err, "manifest");
    if (!mlx_value_int(value, "size", &size) || size < 0 || size > MAX_LAYER_BYTES)
        return broken(err, "a layer has an impossible size");
    layer->size = (uint64_t)size;
    layer->media_type = mlx_strdup(media_type);
    layer->name = mlx_strdup(plain_str(value, "name", MLX_PATH_BYTES));
    const mlx_value_t *notes = mlx_value_get(value, "annotations");
    const char *title = plain_str(notes, MLX_OCI_TITLE, MLX_PATH_BYTES);
    const char *etag = plain_str(notes, OUR_ETAG, MLX_SHA256_HEX);
    const char *path = plain_str(notes, MLX_MODELPACK_PATH, MLX_PATH_BYTES);
    bool named = mlx_value_get(notes, MLX_OCI_TITLE) || mlx_value_get(notes, MLX_MODELPACK_PATH);
    /* A title is often the last component only. */
    title = path ? path : title;
    /* A file with an impossible name must not silently be left out of the model. */
    if (!title && named)
        return broken(err, "a layer's title is not a file name");
    if (title && mlx_name_path(title, err))
        return mlx_error_prefix(err, "manifest");
    if (etag && mlx_name_etag(etag, NULL) == 0)
        layer->etag = mlx_strdup(etag);
    layer->title = mlx_strdup(title);
    return 0;
}

static int read_tree(const mlx_value_t *tree, mlx_manifest_t *self, mlx_error_t *err)
{
    int64_t version;
    const mlx_value_t *layers = mlx_value_get(tree, "layers");
    const mlx_value_t *config = mlx_value_get(tree, "config");
    size_t count = mlx_value_size(layers);
    if (!mlx_value_int(tree, "schemaVersion", &version) || version != 2)
        return broken(err, "schemaVersion is not 2");
    if (mlx_value_type(layers) != MLX_LIST || count > MAX_LAYERS)
        return broken(err, "its layers are missing or too many");
    if (mlx_value_type(config) == MLX_MAP && mlx_value_get(config, "digest") &&
        read_layer(config, &self->config, err))
        return -1;
    const mlx_value_t *notes = mlx_value_get(tree, "annotations");
    self->model = mlx_strdup(plain_str(notes, OUR_MODEL, 300));
    self->source = mlx_strdup(plain_str(notes, OUR_SOURCE, 32));
    self->revision = mlx_strdup(plain_str(notes, OUR_REVISION, MLX_SHA256_HEX));
    self->layers = mlx_alloc(count + 1, sizeof *self->layers);
    for (; self->count < count; self->count++)
        if (read_layer(mlx_value_at(layers, self->count), &self->layers[self->count], err))
            return -1;
    return 0;
}

mlx_manifest_t *mlx_manifest_parse(const char *json, size_t len, mlx_error_t *err)
{
    if (len > MLX_MANIFEST_MAX_BYTES) {
        broken(err, "it is larger than 4 MiB");
        return NULL;
    }
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *tree = mlx_json_parse(json, len, err);
    if (!tree) {
        mlx_error_prefix(err, "manifest");
        return NULL;
    }
    mlx_manifest_t *self = mlx_alloc(1, sizeof *self);
    if (read_tree(tree, self, err))
        mlx_manifest_destroy(&self);
    return self;
}

void mlx_manifest_destroy(mlx_manifest_t **self)
{
    mlx_manifest_t *manifest = *self;
    *self = NULL;
    if (!manifest)
        return;
    layer_clear(&manifest->config);
    /* One more: where reading it failed, the last one is half filled. */
    for (size_t i = 0; manifest->layers && i < manifest->count + 1; i++)
        layer_clear(&manifest->layers[i]);
    free(manifest->layers);
    free(manifest->model);
    free(manifest->source);
    free(manifest->revision);
    free(manifest);
}

bool mlx_layer_is_packed(const mlx_layer_t *layer)
{
    const char *type = layer->media_type;
    bool model = strncmp(type, MLX_MODELPACK_PREFIX, sizeof MLX_MODELPACK_PREFIX - 1) == 0 ||
                 strncmp(type, MLX_DOCKER_MODEL_PREFIX, sizeof MLX_DOCKER_MODEL_PREFIX - 1) == 0;
    return model && strstr(type, ".tar");
}

/*  How many layers there are of the type, and how many before INDEX. */
static size_t count_type(const mlx_manifest_t *self, const char *type, size_t index, size_t *before)
{
    size_t count = 0;
    *before = 0;
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->layers[i].media_type, type) == 0) {
            *before += i < index;
            count++;
        }
    return count;
}

char *mlx_manifest_docker_path(const mlx_manifest_t *self, size_t index)
{
    static const struct {
        const char *type, *stem, *ending;
    } kinds[] = {
        {MLX_DOCKER_MODEL_PREFIX "gguf.v3", "model", ".gguf"},
        {MLX_DOCKER_MODEL_PREFIX "safetensors", "model", ".safetensors"},
        {MLX_DOCKER_MODEL_PREFIX "mmproj", "mmproj", ".gguf"},
        {MLX_DOCKER_MODEL_PREFIX "gguf.v3.mmproj", "mmproj", ".gguf"},
        {MLX_DOCKER_MODEL_PREFIX "chat.template.jinja", "template", ".jinja"},
        {MLX_DOCKER_MODEL_PREFIX "license", "LICENSE", ""},
    };
    const char *type = self->layers[index].media_type;
    for (size_t i = 0; i < MLX_COUNT(kinds); i++) {
        size_t before;
        if (strcmp(kinds[i].type, type) != 0)
            continue;
        size_t count = count_type(self, type, index, &before);
        return count == 1 ? mlx_format("%s%s", kinds[i].stem, kinds[i].ending)
                          : mlx_format("%s-%05zu-of-%05zu%s", kinds[i].stem, before + 1, count,
                                       kinds[i].ending);
    }
    return NULL;
}

static mlx_value_t *layer_value(const mlx_layer_t *layer)
{
    mlx_value_t *value = mlx_value_map();
    MLX_CLEANUP(mlx_free_p) char *digest = mlx_format("sha256:%s", layer->sha256);
    mlx_value_set_str(value, "mediaType", layer->media_type);
    mlx_value_set_str(value, "digest", digest);
    mlx_value_set_int(value, "size", (int64_t)layer->size);
    mlx_value_set_str(value, "name", layer->name);
    return value;
}

void mlx_manifest_write(mlx_buf_t *buf, const mlx_manifest_t *self)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *tree = mlx_value_map();
    mlx_value_set_int(tree, "schemaVersion", 2);
    mlx_value_set_str(tree, "mediaType", MLX_MANIFEST_TYPE);
    mlx_value_set(tree, "config", layer_value(&self->config));
    mlx_value_t *layers = mlx_value_set(tree, "layers", mlx_value_list());
    for (size_t i = 0; i < self->count; i++)
        mlx_value_append(layers, layer_value(&self->layers[i]));
    mlx_json_write(buf, tree, false);
    mlx_buf_putc(buf, '\n');
}

static mlx_value_t *oci_layer(const mlx_layer_t *layer)
{
    mlx_value_t *value = layer_value(layer);
    if (!layer->title)
        return value;
    mlx_value_t *notes = mlx_value_set(value, "annotations", mlx_value_map());
    mlx_value_set_str(notes, MLX_OCI_TITLE, layer->title);
    mlx_value_set_str(notes, MLX_MODELPACK_PATH, layer->title);
    mlx_value_set_str(notes, OUR_ETAG, layer->etag);
    return value;
}

void mlx_manifest_write_oci(mlx_buf_t *buf, const mlx_manifest_t *self)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *tree = mlx_value_map();
    mlx_value_set_int(tree, "schemaVersion", 2);
    mlx_value_set_str(tree, "mediaType", MLX_OCI_MANIFEST_TYPE);
    mlx_value_set_str(tree, "artifactType", MLX_MODELPACK_PREFIX "manifest.v1+json");
    mlx_value_set(tree, "config", oci_layer(&self->config));
    mlx_value_t *layers = mlx_value_set(tree, "layers", mlx_value_list());
    for (size_t i = 0; i < self->count; i++)
        mlx_value_append(layers, oci_layer(&self->layers[i]));
    mlx_value_t *notes = mlx_value_set(tree, "annotations", mlx_value_map());
    mlx_value_set_str(notes, OUR_MODEL, self->model);
    mlx_value_set_str(notes, OUR_SOURCE, self->source);
    mlx_value_set_str(notes, OUR_REVISION, self->revision);
    mlx_json_write(buf, tree, false);
}
