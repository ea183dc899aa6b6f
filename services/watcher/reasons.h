/*  reasons.h - why a server does not answer a question, for a person
 *
 *  What is said was seen: the table of the server's kind first, then that of all kinds (causes.c),
 *  then what became of the connection. What a server says itself is cut and cleaned.
 *
 *      const mlx_reason_question_t question = {backend, keys, "http://127.0.0.1:8080", "/slots"};
 *      if (mlx_reason_failed(&question, reply, text, sizeof text))
 *          ...
 */
#ifndef MLX_WATCHER_REASONS_H
#define MLX_WATCHER_REASONS_H

#include "common/http/http.h"
#include "common/runtime/keys.h"
#include "common/runtime/runtime.h"

typedef struct {
    const mlx_runtime_backend_t *backend; /* may be NULL */
    const mlx_runtime_keys_t *keys;       /* may be NULL */
    const char *url, *path;               /* of the server, and what it was asked by GET */
} mlx_reason_question_t;

/*  Whether REPLY is no answer of status 200; then OUT (of CAP bytes) says why. */
bool mlx_reason_failed(const mlx_reason_question_t *question, const mlx_http_reply_t *reply,
                       char *out, size_t cap);

/*  Why the body of REPLY, of status 200, is not what was asked for: ERR is its parser's. */
void mlx_reason_misread(const mlx_reason_question_t *question, const mlx_http_reply_t *reply,
                        const mlx_error_t *err, char *out, size_t cap);

#endif
