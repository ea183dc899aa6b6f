/*  ollama_manifest.h - walking, composing and planning the manifests of an Ollama store
 *
 *  Used by the ollama adapter and by the pull from an Ollama registry.
 */
#ifndef MLX_CACHE_REMOTE_OLLAMA_MANIFEST_H
#define MLX_CACHE_REMOTE_OLLAMA_MANIFEST_H

#include "services/cache/apps/adapter.h"
#include "services/cache/model/gguf.h"
#include "services/cache/model/manifest.h"
#include "services/cache/model/names.h"

/*  Under this name a model that was pulled keeps the registry's manifest among its files. */
#define MLX_OLLAMA_MANIFEST "ollama-manifest.json"

/*  Call FN for each file at manifests/<host>/<namespace>/<model>/<tag>: MANIFEST is NULL and FAULT
 *  says why when it cannot be read or one of its parts is not a name. A result other than 0 ends
 *  the walk and is returned; a store that cannot be walked counts as one unreadable manifest. */
typedef int (*mlx_ollama_fn)(void *arg, const char *path, const mlx_ollama_name_t *name,
                             const mlx_manifest_t *manifest, const char *fault);
int mlx_ollama_each(const mlx_root_t *root, mlx_ollama_fn fn, void *arg);

/*  The same, and tell SCAN the folders that were listed. */
int mlx_ollama_scan(const mlx_root_t *root, mlx_scan_t *scan, mlx_ollama_fn fn, void *arg);

/*  What a model is made of for Ollama. */
typedef struct {
    const mlx_gguf_t *info;
    const mlx_model_file_t *weights;
    const mlx_model_file_t *projector;    /* NULL: none */
    const mlx_model_file_t *const *texts; /* template, params, system, license; ends with NULL */
    const mlx_buf_t *params;              /* content of a params layer; empty: none */
} mlx_ollama_parts_t;

/*  Config blob and manifest of a GGUF, as Ollama itself would write them. A template is in the
 *  GGUF's own metadata, unless the model was Ollama's already and has one as a file. */
void mlx_ollama_compose(const mlx_ollama_parts_t *parts, mlx_buf_t *config, mlx_buf_t *manifest);

/*  A name for layer INDEX in the model's folder, different for each. Caller owns it. */
char *mlx_ollama_layer_name(const mlx_manifest_t *manifest, size_t index);

/*  The kind of layer that the file of a model from an Ollama is ("template", ..); NULL: none of
 *  these. */
const char *mlx_ollama_text_kind(const char *path);

/*  The parameters that a generation_config.json recommends, as Ollama names them; empty: none. */
void mlx_ollama_params(const mlx_value_t *generation, mlx_buf_t *params);

/*  Plan a small blob that is written, unless it is there. */
int mlx_ollama_plan_blob(const mlx_expose_t *what, mlx_cache_plan_t *plan, const mlx_buf_t *content,
                         mlx_error_t *err);

/*  The manifest that the store has under NAME, however that is spelled there, or NULL. Caller owns
 *  it and must destroy it. */
mlx_manifest_t *mlx_ollama_find_manifest(const mlx_root_t *store, const mlx_ollama_name_t *name);

/*  Plan the config blob (may be NULL) and, last, the manifest. An existing model whose name differs
 *  in case only lends its spelling; one of that name with another content is an error (data_loss).
 */
int mlx_ollama_plan_manifest(const mlx_expose_t *what, mlx_cache_plan_t *plan,
                             const mlx_ollama_name_t *name, const mlx_buf_t *config,
                             const mlx_buf_t *manifest, mlx_error_t *err);

/*  Content of a small blob of the cache. */
int mlx_ollama_read_blob(const mlx_root_t *home, const char *sha256, mlx_buf_t *out,
                         mlx_error_t *err);

#endif
