/*  hasher.h - the SHA-256 of files, each computed once as long as it does not change
 *
 *  A hash is kept in the registry under the file's identity (device, inode, size, times); any write
 *  or link changes the identity. Several files are hashed at once, one per core.
 *
 *      mlx_hash_job_t job = {.root = root, .path = "model.safetensors"};
 *      mlx_hash_files(db, &job, 1, 0, NULL, NULL, &err);
 *      puts(job.hex);
 */
#ifndef MLX_CACHE_STORE_HASHER_H
#define MLX_CACHE_STORE_HASHER_H

#include "services/cache/store/registry.h"

typedef struct {
    const mlx_root_t *root;
    const char *path;
    bool again;            /* read it even if its hash is known */
    mlx_identity_t id;     /* out: what was hashed */
    char hex[MLX_HEX_MAX]; /* out; "" when it failed, with ERROR */
    bool known;            /* out: taken from the registry */
    mlx_error_t error;
} mlx_hash_job_t;

/*  Fill all jobs. THREADS 0: one for each core. STOP (may be NULL) is asked between pieces: true
 *  ends all with interrupted. A file that fails or changes while it is read fails alone; -1 only
 *  when the registry fails or STOP said so. */
int mlx_hash_files(mlx_db_t *db, mlx_hash_job_t *jobs, size_t count, unsigned threads,
                   bool (*stop)(void *arg), void *arg, mlx_error_t *err);

/*  One file, in this thread; -1 with its error. */
int mlx_hash_file(mlx_db_t *db, const mlx_root_t *root, const char *path, bool (*stop)(void *arg),
                  void *arg, char hex[MLX_HEX_MAX], mlx_error_t *err);

#endif
