/*  manifest.h - an Ollama (docker v2) or OCI manifest: read, checked, written
 *
 *  Every digest is validated here (it becomes a file name: CVE-2024-37032) and every size is
 *  bounded.
 *
 *      mlx_manifest_t *m = mlx_manifest_parse(json, len, &err);
 *      for (size_t i = 0; m && i < m->count; i++)
 *          printf("%s %s\n", m->layers[i].media_type, m->layers[i].sha256);
 *      mlx_manifest_destroy(&m);
 */
#ifndef MLX_CACHE_MODEL_MANIFEST_H
#define MLX_CACHE_MODEL_MANIFEST_H

#include "proto/buf.h"
#include "services/cache/store/digest.h"

#define MLX_MANIFEST_TYPE "application/vnd.docker.distribution.manifest.v2+json"
#define MLX_LAYER_CONFIG "application/vnd.docker.container.image.v1+json"
#define MLX_OCI_MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define MLX_OCI_TITLE "org.opencontainers.image.title"
#define MLX_MODELPACK_PREFIX "application/vnd.cncf.model."
#define MLX_MODELPACK_CONFIG MLX_MODELPACK_PREFIX "config.v1+json"
#define MLX_MODELPACK_PATH "org.cncf.model.filepath"
#define MLX_DOCKER_MODEL_PREFIX "application/vnd.docker.ai."
#define MLX_LAYER_PREFIX "application/vnd.ollama.image."
#define MLX_LAYER_MODEL MLX_LAYER_PREFIX "model"
#define MLX_LAYER_PROJECTOR MLX_LAYER_PREFIX "projector"
#define MLX_LAYER_TENSOR MLX_LAYER_PREFIX "tensor"
#define MLX_LAYER_TEMPLATE MLX_LAYER_PREFIX "template"
#define MLX_LAYER_PARAMS MLX_LAYER_PREFIX "params"

enum {
    MLX_MANIFEST_MAX_BYTES = 4 * 1024 * 1024
};

typedef struct {
    char *media_type;
    char sha256[MLX_HEX_MAX];
    uint64_t size;
    char *name;  /* of a tensor or JSON layer; NULL when absent */
    char *title; /* OCI and ModelPack: the file's path, a valid one; NULL when absent */
    char *etag;  /* OCI, ours: what the hub calls the file; NULL when absent */
} mlx_layer_t;

typedef struct {
    mlx_layer_t config; /* sha256 "" when the manifest has none */
    mlx_layer_t *layers;
    size_t count;
    char *model; /* OCI, ours: the model's name, source and revision; NULL when absent */
    char *source;
    char *revision;
} mlx_manifest_t;

/*  NULL with ERR when it is not a manifest or one of its digests or sizes is not fit for use.
 *  Caller owns the result and must destroy it. */
mlx_manifest_t *mlx_manifest_parse(const char *json, size_t len, mlx_error_t *err);
void mlx_manifest_destroy(mlx_manifest_t **self);

/*  Append the manifest as Ollama writes it: one line of JSON and a newline. */
void mlx_manifest_write(mlx_buf_t *buf, const mlx_manifest_t *self);

/*  The path that a file of a Docker model artifact has, told by its layer's type and place among
 *  its kind. Caller owns it; NULL for a layer that is not a file of the model. */
char *mlx_manifest_docker_path(const mlx_manifest_t *self, size_t index);

/*  Does the layer hold an archive instead of the file itself. */
bool mlx_layer_is_packed(const mlx_layer_t *layer);

/*  Append it as a CNCF ModelPack artifact, with our annotations. */
void mlx_manifest_write_oci(mlx_buf_t *buf, const mlx_manifest_t *self);

#endif
