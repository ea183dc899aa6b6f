/*  ints.h - a column of integers in few bits
 *
 *  A column is written as itself, as differences or as differences of differences, whichever is
 *  shortest; the numbers are divided by their greatest common divisor, folded to unsigned and
 *  written as Rice codes whose parameter follows the data. A steady clock and a value that does not
 *  change take one bit each, noise of N steps about log2(N) + 2 bits. Every int64_t comes back as
 *  it went in. (Gorilla's delta of deltas for time, with LOCO-I's adaptive Golomb-Rice codes in
 *  place of XOR, which needs the fifty random bits of a double.)
 *
 *      mlx_ints_encode(&buf, values, n);
 *      size_t used = mlx_ints_decode(data, len, values, n);    0: damaged
 *
 *  Layout: one byte form, then unless form is RAW a varint divisor and, for the forms with
 *  differences, a varint first value; then the bits, most significant first, padded to a byte.
 */
#ifndef MLX_RECORDER_INTS_H
#define MLX_RECORDER_INTS_H

#include "proto/buf.h"

/*  Append N values (at least 1). */
void mlx_ints_encode(mlx_buf_t *out, const int64_t *values, size_t n);

/*  Read N values from the front of LEN bytes. Returns the bytes used, or 0 when they are
 *  damaged. */
size_t mlx_ints_decode(const uint8_t *data, size_t len, int64_t *values, size_t n);

/*  Unsigned integers of 7 bits a byte, low bits first. get advances *POS; false: damaged. */
void mlx_varint_put(mlx_buf_t *out, uint64_t value);
bool mlx_varint_get(const uint8_t *data, size_t len, size_t *pos, uint64_t *value);

/*  Small magnitudes of either sign as small unsigned numbers, and back. */
uint64_t mlx_fold(int64_t value);
int64_t mlx_unfold(uint64_t folded);

#endif
