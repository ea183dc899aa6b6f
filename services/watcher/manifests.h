/*  manifests.h - which model a weights file in Ollama's store belongs to
 *
 *  Ollama's runner is started with the path of a blob, <store>/blobs/sha256-<hex>. The store's
 *  manifests, <store>/manifests/<host>/<namespace>/<model>/<tag>, name the blob as the layer of
 *  type application/vnd.ollama.image.model. The path of a manifest is the model's name; host and
 *  namespace are left out where Ollama leaves them out.
 *
 *      mlx_manifests_find("/store/blobs/sha256-92d8...", on_name, self);
 *
 *  The store may be anybody's: files are bounded in size and number, names in length.
 */
#ifndef MLX_WATCHER_MANIFESTS_H
#define MLX_WATCHER_MANIFESTS_H

#include "proto/error.h"

enum {
    MLX_MANIFESTS_MAX = 4096,            /* files and folders looked at */
    MLX_MANIFESTS_FILE_MAX = 256 * 1024, /* a larger one is passed over */
};

/*  Return false to end the search. NAME is borrowed: "llama3.2:1b", "hf.co/org/Repo-GGUF:Q4_K_M".
 */
typedef bool (*mlx_manifests_fn)(void *arg, const char *name);

/*  Call FN for each model whose weights are BLOB_PATH. Nothing is called when the path is not a
 *  blob of a store or the store cannot be read. */
void mlx_manifests_find(const char *blob_path, mlx_manifests_fn fn, void *arg);

/*  The hex digits of the blob that PATH ends with, "sha256-<64 hex>"; NULL when it is not a
 *  blob. */
const char *mlx_manifests_digest(const char *path);

#endif
