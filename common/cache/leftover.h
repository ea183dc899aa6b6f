/*  leftover.h - what a download leaves on the disk between runs: the part, and what is known of it
 *
 *  partial/<etag>.part    the bytes
 *  partial/<etag>.state   "synced boot-id" of a part of one piece, which grows from its beginning: in
 *                         the same boot all of it counts, after a power cut what was synced
 *  partial/<etag>.pieces  of a part of several pieces: pieces.h
 *
 *  A large part with a state is from a version without pieces: its beginning is taken over.
 *
 *      mlx_leftover_t *left = mlx_leftover_open(fs, home, etag, false, pieces, &err);
 *      pwrite(mlx_leftover_fd(left), ...);  mlx_pieces_reached(pieces, ...);
 *      mlx_leftover_close(&left, pieces);
 */
#ifndef MLX_COMMON_CACHE_LEFTOVER_H
#define MLX_COMMON_CACHE_LEFTOVER_H

#include "common/cache/fsops.h"
#include "common/cache/pieces.h"

typedef struct mlx_leftover mlx_leftover_t;

/*  Fill PIECES with what is there; nothing if FRESH. NULL with ERR. */
mlx_leftover_t *mlx_leftover_open(const mlx_fs_t *fs, const mlx_root_t *home, const char *etag,
                                  bool fresh, mlx_pieces_t *pieces, mlx_error_t *err);

/*  Says on the disk what is there and closes. */
void mlx_leftover_close(mlx_leftover_t **self, const mlx_pieces_t *pieces);

int mlx_leftover_fd(const mlx_leftover_t *self);

/*  Forget all that is there, in PIECES and on the disk. */
int mlx_leftover_discard(mlx_leftover_t *self, mlx_pieces_t *pieces, mlx_error_t *err);

/*  Enough has come since the last keep; make the pieces of TEXT durable, BYTES in all. */
bool mlx_leftover_is_due(const mlx_leftover_t *self, const mlx_pieces_t *pieces);
void mlx_leftover_keep(mlx_leftover_t *self, const char *text, uint64_t bytes);

/*  Wait until the part is on the disk: 0 or an errno. Begin to write some of it. */
int mlx_leftover_sync(const mlx_leftover_t *self);
void mlx_leftover_write_behind(const mlx_leftover_t *self, uint64_t from, uint64_t len);

/*  Paths: 0 the part, then the others; NULL at the end. Caller owns one and must free it. */
char *mlx_leftover_path(const char *etag, unsigned index);

/*  Bytes of the disk that a part takes already. */
uint64_t mlx_leftover_held(const mlx_root_t *home, const char *etag);

#endif
