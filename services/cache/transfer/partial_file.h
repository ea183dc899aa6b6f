/*  partial_file.h - what a download leaves on the disk between runs: the part, and what is known
 *  of it
 *
 *  partial/<etag>.part    the bytes
 *  partial/<etag>.state   "synced boot-id" of a part of one piece, which grows from its beginning:
 *                         in the same boot all of it counts, after a power cut what was synced
 *  partial/<etag>.pieces  of a part of several pieces: range_map.h
 *
 *  A large part with a state is from a version without pieces: its beginning is taken over.
 *
 *      mlx_partial_file_t *left = mlx_partial_file_open(fs, home, etag, false, pieces, &err);
 *      pwrite(mlx_partial_file_fd(left), ...);  mlx_range_map_reached(pieces, ...);
 *      mlx_partial_file_close(&left, pieces);
 */
#ifndef MLX_CACHE_TRANSFER_PARTIAL_FILE_H
#define MLX_CACHE_TRANSFER_PARTIAL_FILE_H

#include "services/cache/plan/fsops.h"
#include "services/cache/transfer/range_map.h"

typedef struct mlx_partial_file mlx_partial_file_t;

/*  Fill PIECES with what is there; nothing if FRESH. NULL with ERR. */
mlx_partial_file_t *mlx_partial_file_open(const mlx_fs_t *fs, const mlx_root_t *home,
                                          const char *etag, bool fresh, mlx_range_map_t *pieces,
                                          mlx_error_t *err);

/*  Says on the disk what is there and closes. */
void mlx_partial_file_close(mlx_partial_file_t **self, const mlx_range_map_t *pieces);

int mlx_partial_file_fd(const mlx_partial_file_t *self);

/*  Forget all that is there, in PIECES and on the disk. */
int mlx_partial_file_discard(mlx_partial_file_t *self, mlx_range_map_t *pieces, mlx_error_t *err);

/*  Enough has come since the last keep; make the pieces of TEXT durable, BYTES in all. */
bool mlx_partial_file_is_due(const mlx_partial_file_t *self, const mlx_range_map_t *pieces);
void mlx_partial_file_keep(mlx_partial_file_t *self, const char *text, uint64_t bytes);

/*  Wait until the part is on the disk: 0 or an errno. Begin to write some of it. */
int mlx_partial_file_sync(const mlx_partial_file_t *self);
void mlx_partial_file_write_behind(const mlx_partial_file_t *self, uint64_t from, uint64_t len);

/*  Paths: 0 the part, then the others; NULL at the end. Caller owns one and must free it. */
char *mlx_partial_file_path(const char *etag, unsigned index);

/*  Bytes of the disk that a part takes already. */
uint64_t mlx_partial_file_held(const mlx_root_t *home, const char *etag);

#endif
