/*  http_sniff.h - watch one direction of an HTTP/1.1 connection without taking part in it
 *
 *  Fed with copies of the bytes that pass, cut anywhere, it reports heads, body pieces (chunked
 *  framing removed) and message ends. It never asks for a byte to be held back. What it cannot
 *  follow with certainty - two ways to tell the length, folded or malformed headers, another
 *  protocol after CONNECT or 101 - makes it give up on the connection for good: two readers that
 *  disagree about framing are worse than no reading.
 *
 *      mlx_http_sniff_t *sniff = mlx_http_sniff_new(MLX_SNIFF_RESPONSES, &events, self);
 *      mlx_http_sniff_feed(sniff, data, len);         as often as bytes pass
 *      mlx_http_sniff_eof(sniff);                     once, at the end of the stream
 *      mlx_http_sniff_destroy(&sniff);
 *
 *  Source of the format: RFC 9112 (HTTP/1.1).
 */
#ifndef MLX_WATCHER_HTTP_SNIFF_H
#define MLX_WATCHER_HTTP_SNIFF_H

#include "proto/base.h"

typedef struct mlx_http_sniff mlx_http_sniff_t;

enum {
    MLX_SNIFF_MAX_HEAD = 64 * 1024,  /* start line and headers, or all trailers, in bytes */
    MLX_SNIFF_MAX_CHUNK_LINE = 4096, /* chunk size with its extensions */
    MLX_SNIFF_MAX_PATH = 255,
    MLX_SNIFF_MAX_AGENT = 127,
};

typedef enum {
    MLX_SNIFF_REQUESTS,
    MLX_SNIFF_RESPONSES,
} mlx_sniff_side_t;

/*  Values too long to be of interest are reported as "". Strings are borrowed for the call. */
typedef struct {
    const char *method;       /* request: "GET"...; response: "" */
    const char *path;         /* request: target without scheme, host, query; response: "" */
    int status;               /* response: 200..599; request: 0 */
    const char *content_type; /* as sent, "" when absent */
    const char *encoding;     /* Content-Encoding as sent, "" when absent */
    const char *agent;        /* User-Agent, cut to MLX_SNIFF_MAX_AGENT, "" when absent */
} mlx_sniff_head_t;

/*  What follows a head, for the handler to say. */
typedef enum {
    MLX_SNIFF_BODY,    /* what the head announces */
    MLX_SNIFF_NO_BODY, /* nothing, whatever the head announces: the reply to a HEAD */
    MLX_SNIFF_STOP,    /* give up on this connection */
} mlx_sniff_next_t;

/*  Interim responses (1xx) are passed over in silence. end is called once after each head that was
 *  answered with anything but MLX_SNIFF_STOP, unless the sniffer gives up or the stream ends first.
 *  Handlers may call mlx_http_sniff_stop but not destroy the sniffer. */
typedef struct {
    mlx_sniff_next_t (*head)(void *arg, const mlx_sniff_head_t *head);
    void (*body)(void *arg, const char *data, size_t len);
    void (*end)(void *arg);

    /*  The API key that a request carries, before its head is told. May be NULL. The sniffer keeps
     *  no copy of it, and neither may the handler. */
    void (*key)(void *arg, const char *key, size_t len);
} mlx_sniff_events_t;

/*  EVENTS is borrowed and must outlive the sniffer. Caller owns the result and must destroy it. */
mlx_http_sniff_t *mlx_http_sniff_new(mlx_sniff_side_t side, const mlx_sniff_events_t *events,
                                     void *arg);
void mlx_http_sniff_destroy(mlx_http_sniff_t **self);

/*  Look at the next LEN bytes. false: it has given up, now or before. */
bool mlx_http_sniff_feed(mlx_http_sniff_t *self, const char *data, size_t len);

/*  How many bytes from here on are body for certain, of a message or a chunk; UINT64_MAX: all, as
 *  for a sniffer that has given up. So many may pass without a look. */
uint64_t mlx_http_sniff_body_left(const mlx_http_sniff_t *self);

/*  LEN of them did: no body is reported for them. */
void mlx_http_sniff_skip(mlx_http_sniff_t *self, uint64_t len);

/*  The stream has ended: a body that lasts until the connection closes ends here. true when this
 *  was a place where a message may end; false when one was cut short or the sniffer had given up.
 */
bool mlx_http_sniff_eof(mlx_http_sniff_t *self);

/*  Give up: every later byte is ignored. */
void mlx_http_sniff_stop(mlx_http_sniff_t *self);

#endif
