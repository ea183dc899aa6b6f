/*  range_map.h - which pieces of a large file are there, and the sidecar that keeps it
 *
 *  A file of more than one piece is fetched over several connections at once, so what is there is
 *  no beginning but a set. The sidecar is text: a line that binds it to the content (etag, size,
 *  size of a piece), and a '0' or '1' for each piece. It is written in its place: the line stays, a
 *  digit only ever turns from 0 to 1 and only after the piece's bytes are on the disk, so that a
 *  write that is torn by a power cut still tells the truth.
 *
 *      mlx_range_map_t *pieces = mlx_range_map_new(etag, size, 0);
 *      mlx_range_map_reached(pieces, 0, mlx_range_map_end(pieces, 0));
 *      char *text = mlx_range_map_text(pieces);
 *      mlx_range_map_destroy(&pieces);
 */
#ifndef MLX_CACHE_TRANSFER_RANGE_MAP_H
#define MLX_CACHE_TRANSFER_RANGE_MAP_H

#include "proto/base.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mlx_range_map mlx_range_map_t;

/*  PIECE: bytes of one, 0: 32 MiB; doubled until there are at most 65,536. Never NULL. */
mlx_range_map_t *mlx_range_map_new(const char *etag, uint64_t size, uint64_t piece);
void mlx_range_map_destroy(mlx_range_map_t **self);

size_t mlx_range_map_count(const mlx_range_map_t *self); /* at least 1 */
size_t mlx_range_map_of(const mlx_range_map_t *self, uint64_t offset);
uint64_t mlx_range_map_begin(const mlx_range_map_t *self, size_t index);
uint64_t mlx_range_map_end(const mlx_range_map_t *self, size_t index);

/*  How far INDEX is there: between its begin and end. reached never goes back, except that clear
 *  forgets all. */
uint64_t mlx_range_map_at(const mlx_range_map_t *self, size_t index);
bool mlx_range_map_has(const mlx_range_map_t *self, size_t index);
void mlx_range_map_reached(mlx_range_map_t *self, size_t index, uint64_t at);
void mlx_range_map_clear(mlx_range_map_t *self);

uint64_t mlx_range_map_frontier(mlx_range_map_t *self);    /* all before it is there */
uint64_t mlx_range_map_bytes(const mlx_range_map_t *self); /* there in all */
bool mlx_range_map_complete(const mlx_range_map_t *self);

/*  The sidecar. Caller owns the text and must free it. parse takes one of LENGTH bytes of a file
 *  that has HELD bytes, and says whether it was taken: any other content, size or piece is not. */
char *mlx_range_map_text(const mlx_range_map_t *self);
bool mlx_range_map_parse(mlx_range_map_t *self, const char *text, size_t length, uint64_t held);

/*  The longest a sidecar can be. */
enum {
    MLX_PIECES_TEXT_MAX = 65536 + 256
};

#endif
