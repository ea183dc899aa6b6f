/*  buf.h - a growable byte buffer, always terminated by a NUL that is not counted
 *
 *      MLX_CLEANUP(mlx_buf_clear) mlx_buf_t buf = {0};
 *      mlx_buf_printf(&buf, "%d tok/s", 42);
 *      puts(mlx_buf_str(&buf));
 */
#ifndef MLX_PROTO_BUF_H
#define MLX_PROTO_BUF_H

#include "proto/base.h"

typedef struct {
    char *data; /* NULL while empty and never written */
    size_t len;
    size_t cap;
} mlx_buf_t;

/*  Free the memory; the buffer is empty and usable again. */
void mlx_buf_clear(mlx_buf_t *buf);

/*  Make it empty, keep the memory. */
void mlx_buf_reset(mlx_buf_t *buf);

void mlx_buf_append(mlx_buf_t *buf, const void *data, size_t len);
void mlx_buf_puts(mlx_buf_t *buf, const char *s);
void mlx_buf_putc(mlx_buf_t *buf, char c);
void mlx_buf_printf(mlx_buf_t *buf, const char *fmt, ...) MLX_PRINTF(2, 3);

/*  Drop the first LEN bytes. */
void mlx_buf_consume(mlx_buf_t *buf, size_t len);

/*  The content as a C string ("" while empty); valid until the next change. */
const char *mlx_buf_str(const mlx_buf_t *buf);

/*  Hand the memory over; the buffer is empty. Caller owns the string and must free it. */
char *mlx_buf_take(mlx_buf_t *buf);

#endif
