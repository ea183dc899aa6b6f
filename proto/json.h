/*  json.h - writing a value tree as JSON (reading is common/base/json.h, which needs a JSON
 *  library) */
#ifndef MLX_PROTO_JSON_H
#define MLX_PROTO_JSON_H

#include "proto/buf.h"
#include "proto/value.h"

/*  Append VALUE to BUF as JSON: one line, or indented by two spaces when PRETTY. Reals are written
 *  with the fewest digits that read back as the same double; bytes that are not UTF-8 become
 *  U+FFFD. What must not reach a terminal (control characters, also C1, and what reorders text) is
 *  written as \uXXXX, so that the text reads back as it was. */
void mlx_json_write(mlx_buf_t *buf, const mlx_value_t *value, bool pretty);

/*  Append S (LEN bytes) as a JSON string with its quotes. */
void mlx_json_write_str(mlx_buf_t *buf, const char *s, size_t len);

#endif
