/*  request_pack.h - the fields of a request as few bytes
 *
 *      mlx_request_pack(&buf, d, text_id, arg);
 *      mlx_value_t *d = mlx_request_unpack(data, len, text_of, arg);      NULL: damaged
 *
 *  Layout: varint of the columns in which it differs from the usual, those that a request through
 *  the tap has, one bit each in the order of the table; then for each column that is there a
 *  varint: the number of a text, a truth, or a number folded to unsigned after it was
 *  multiplied with the column's scale and rounded. The order of columns is part of the format: new
 *  ones go to the end, and are not usual. A client that is called as its process is not stored.
 */
#ifndef MLX_RECORDER_REQUEST_PACK_H
#define MLX_RECORDER_REQUEST_PACK_H

#include "proto/buf.h"
#include "proto/value.h"

/*  The number of TEXT, from 1; 0: it cannot be kept. */
typedef int64_t (*mlx_request_text_id_fn)(void *arg, const char *text);

/*  The text of number ID, or NULL. */
typedef const char *(*mlx_request_text_of_fn)(void *arg, int64_t id);

/*  D has besides the fields of the catalogue "host", "runtime" and "endpoint". Appends to OUT. */
void mlx_request_pack(mlx_buf_t *out, const mlx_value_t *d, mlx_request_text_id_fn text_id,
                      void *arg);

/*  Caller owns the result; "start" and "end" are told from END_US. */
mlx_value_t *mlx_request_unpack(const void *data, size_t len, int64_t end_us,
                                mlx_request_text_of_fn text_of, void *arg);

#endif
