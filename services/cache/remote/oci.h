/*  oci.h - models in an OCI registry (Distribution, Harbor, zot, a cloud's): one artifact, one
 *  layer a file
 *
 *  Blobs are named by the same SHA-256 as everywhere here. What is pushed is a CNCF ModelPack whose
 *  layers are the files themselves, with their paths as titles too, so that modctl, Docker's model
 *  runner and oras read it. Nothing is sent to log in before the
 *  registry asks for it, and then what oci_login.h allows.
 *
 *      mlx_oci_t *oci = mlx_oci_new("oci://registry.example.com/models/org/name:main", &env, &err);
 *      mlx_manifest_t *manifest = mlx_oci_manifest(oci, &err);
 *      mlx_oci_destroy(&oci);
 */
#ifndef MLX_CACHE_REMOTE_OCI_H
#define MLX_CACHE_REMOTE_OCI_H

#include "common/base/env.h"
#include "services/cache/model/manifest.h"
#include "services/cache/plan/fsops.h"

typedef struct mlx_oci mlx_oci_t;

/*  REFERENCE: "oci://host[:port]/name/of/it[:tag][@sha256:<hex>]". Plain http for this machine
 *  only. */
mlx_oci_t *mlx_oci_new(const char *reference, const mlx_env_t *env, mlx_error_t *err);
void mlx_oci_destroy(mlx_oci_t **self);

const char *mlx_oci_name(const mlx_oci_t *self); /* name/of/it */
const char *mlx_oci_tag(const mlx_oci_t *self);  /* or "sha256:<hex>" */

/*  What the tag names; asks for a token when it is told to. Caller owns the manifest. */
mlx_manifest_t *mlx_oci_manifest(mlx_oci_t *self, mlx_error_t *err);

/*  Where a blob is fetched from, and with which Authorization (NULL: none; after a first exchange).
 *  Caller owns the URL; the other is borrowed. */
char *mlx_oci_blob_url(const mlx_oci_t *self, const char *sha256);
const char *mlx_oci_auth(const mlx_oci_t *self);

/*  1: the registry has the blob under this name. */
int mlx_oci_has(mlx_oci_t *self, const char *sha256, mlx_error_t *err);

/*  May the manifest JSON be put under the tag: 0 when it may, 1 when it is there already, byte for
 *  byte. An error when the tag is a signature's or its like (usage), or holds what this program did
 *  not push (data_loss). */
int mlx_oci_check_tag(mlx_oci_t *self, const mlx_buf_t *json, mlx_error_t *err);

enum {
    MLX_OCI_PIECE = 16 * 1024 * 1024
};

/*  Upload the blob in the open file FD, in pieces of MLX_OCI_PIECE; STOP, asked before each, may
 *  be NULL. Put the manifest under the tag. */
int mlx_oci_push_file(mlx_oci_t *self, int fd, uint64_t size, const char *sha256,
                      bool (*stop)(void *arg), void *arg, mlx_error_t *err);
int mlx_oci_push_manifest(mlx_oci_t *self, const mlx_buf_t *json, mlx_error_t *err);

#endif
