/*  utf8.h - text from outside, made safe to show: well-formed UTF-8 on one line
 *
 *  Independent of the locale: JSON, D-Bus and status bars want UTF-8 whatever the terminal speaks.
 *  (For terminals: common/cli/term.h.)
 *
 *      MLX_CLEANUP(mlx_free_p) char *name = mlx_utf8_line(model, 64);
 */
#ifndef MLX_PROTO_UTF8_H
#define MLX_PROTO_UTF8_H

#include "proto/base.h"

/*  Length of the well-formed sequence of two to four bytes at S (RFC 3629: no surrogates, no
 *  overlong forms) within LEFT bytes, or 0. */
size_t mlx_utf8_sequence(const unsigned char *s, size_t left);

/*  Are the LEN bytes at S well-formed UTF-8 in which mlx_utf8_line would change nothing? */
bool mlx_utf8_plain(const char *s, size_t len);

/*  Copy of the LEN bytes at S with U+FFFD in place of each broken byte, or NULL when none is. *OUT,
 *  untouched without a copy, is its length. Caller owns it and must free it. */
char *mlx_utf8_mend(const char *s, size_t len, size_t *out);

/*  The code point of a well-formed sequence of LEN bytes (two to four) at S. */
uint32_t mlx_utf8_code_point(const unsigned char *s, size_t len);

/*  Copy of S on one line: a control character (C0, DEL, C1, line and paragraph separators, and the
 *  bidirectional ones that reorder what follows) and a broken byte each become "?", and what goes
 *  beyond MAX characters (0: no limit) is cut off with an ellipsis. Caller owns it and must free
 *  it. */
char *mlx_utf8_line(const char *s, size_t max);

#endif
