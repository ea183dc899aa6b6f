/*  stream_hasher.h - hashes a file while it is being written, in a thread behind the writer
 *
 *  The writer appends and says how far it got; the hash follows from the page cache, so that
 *  writing and hashing take one pass and two cores. Bytes that were there before are hashed in the
 *  same way.
 *
 *      mlx_stream_hasher_t *hasher = mlx_stream_hasher_new(fd, size, true);
 *      mlx_stream_hasher_grew(hasher, 1000000);
 *      mlx_stream_hasher_finish(hasher, sha256, git);
 *      mlx_stream_hasher_destroy(&hasher);
 */
#ifndef MLX_CACHE_TRANSFER_STREAM_HASHER_H
#define MLX_CACHE_TRANSFER_STREAM_HASHER_H

#include "services/cache/store/digest.h"

typedef struct mlx_stream_hasher mlx_stream_hasher_t;

/*  FD stays the caller's and must outlive the hasher. SIZE: of the whole file, for git's hash,
 *  which is computed only if GIT. Never NULL; without a thread the hash is computed in grew. */
mlx_stream_hasher_t *mlx_stream_hasher_new(int fd, uint64_t size, bool git);
void mlx_stream_hasher_destroy(mlx_stream_hasher_t **self);

/*  The first LENGTH bytes of the file are written; or: nothing of it counts any more. */
void mlx_stream_hasher_grew(mlx_stream_hasher_t *self, uint64_t length);
void mlx_stream_hasher_restart(mlx_stream_hasher_t *self);

/*  Wait for the hash of all that was written. GIT becomes "" when it was not wanted. The hasher can
 *  be restarted or destroyed then. -1 when the file could not be read. */
int mlx_stream_hasher_finish(mlx_stream_hasher_t *self, char sha256[MLX_HEX_MAX],
                             char git[MLX_HEX_MAX]);

#endif
