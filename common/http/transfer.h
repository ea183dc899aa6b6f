/*  transfer.h - one HTTP exchange on one curl handle; the inner part of http.h
 *
 *  Sets the handle up from a request, collects or streams the body within its bounds, and says how
 *  it ended. Who drives the handle (the loop or curl_easy_perform) is not its business.
 */
#ifndef MLX_COMMON_HTTP_TRANSFER_H
#define MLX_COMMON_HTTP_TRANSFER_H

#include "common/http/http.h"

#include <curl/curl.h>

/*  Why we ended a transfer ourselves. */
typedef enum {
    MLX_HTTP_NOT_ENDED,
    MLX_HTTP_BODY_TOO_LARGE,
    MLX_HTTP_HEAD_TOO_LARGE,
    MLX_HTTP_STALLED,
    MLX_HTTP_STOPPED, /* by on_head or on_data */
    MLX_HTTP_BAD_HEADER,
} mlx_http_end_t;

typedef struct {
    CURL *easy;
    char *shown; /* method and URL without credentials and query, for messages */
    struct curl_slist *headers;
    void *arg;
    bool (*on_head)(void *arg, const mlx_http_reply_t *head);
    bool (*on_data)(void *arg, const char *data, size_t len);
    size_t max_body; /* 0: no limit */
    size_t head_bytes;
    size_t body_bytes;
    mlx_buf_t body;
    int64_t stall_us; /* 0: none */
    int64_t sent_us;
    int64_t first_byte_us; /* 0: none yet */
    int64_t last_byte_us;
    mlx_http_end_t ended;
    char why[CURL_ERROR_SIZE];
} mlx_http_transfer_t;

/*  curl's own start-up: once per process, whichever thread comes first; later calls do nothing. */
void mlx_http_start_curl(void);

/*  SELF must stay where it is until it is closed. */
void mlx_http_transfer_open(mlx_http_transfer_t *self, const mlx_http_request_t *request,
                            void *arg);
void mlx_http_transfer_close(mlx_http_transfer_t *self);

/*  Microseconds until the transfer counts as stalled; 0 or less: it has. Only with stall_us. */
int64_t mlx_http_transfer_patience_us(const mlx_http_transfer_t *self);

/*  Tell FN how it ended: RESULT from curl, or what SELF ended itself. */
void mlx_http_transfer_finish(mlx_http_transfer_t *self, CURLcode result, mlx_http_fn fn);

#endif
