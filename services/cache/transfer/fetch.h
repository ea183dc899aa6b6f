/*  fetch.h - HTTP for the hub and the registries: redirects followed with care, errors understood
 *
 *  A layer over common/http/http.h (blocking). At most 10 redirects; https only, plain http for
 *  loopback only; never from https to http; the Authorization header goes to the host it was meant
 *  for and to no other. Messages never hold a query, where signed URLs keep their secrets.
 *
 *      mlx_fetch_reply_t reply;
 *      if (mlx_fetch(&(mlx_fetch_t){.url = url, .auth = token}, &reply, &err) == 0)
 *          printf("%ld %s\n", reply.status, mlx_buf_str(&reply.body));
 *      mlx_fetch_reply_clear(&reply);
 */
#ifndef MLX_CACHE_TRANSFER_FETCH_H
#define MLX_CACHE_TRANSFER_FETCH_H

#include "common/http/http.h"

typedef struct {
    const char *url;
    const char *auth;   /* value of the Authorization header, "Bearer .."; NULL: none */
    const char *accept; /* NULL: anything */
    const char *method; /* NULL: GET, or POST with a body */
    const void *body;   /* NULL: none */
    size_t body_len;
    const char *content_type;  /* of the body */
    const char *content_range; /* "0-99" of a piece of an upload; NULL: none */
    uint64_t from;             /* ask for the bytes from here on; 0: all */
    uint64_t to;               /* and before this one; 0: to the end */
    size_t max_body;           /* of a collected body; 0: 16 MiB */
    int64_t stall_ms;          /* 0: 30 s */

    /*  Streaming a 2xx body, as in common/http/http.h, after the redirects. */
    bool (*on_head)(void *arg, const mlx_http_reply_t *head);
    bool (*on_data)(void *arg, const char *data, size_t len);
    bool (*stop)(void *arg); /* asked several times a second: true ends it as interrupted */
    void *arg;
} mlx_fetch_t;

typedef struct {
    long status;
    mlx_buf_t body;
    char *next;            /* URL of Link: <..>; rel="next"; NULL: none */
    char *error_code;      /* X-Error-Code of the hub; NULL: none */
    char *error_message;   /* X-Error-Message */
    char *challenge;       /* WWW-Authenticate */
    char *location;        /* of an answer that is not a redirect, made absolute */
    char *digest;          /* Docker-Content-Digest */
    int64_t retry_after_s; /* of Retry-After or RateLimit; -1: none */
    bool unconnected;      /* no answer came because nobody was reached */
    bool redirected;       /* another host answered, or led back here */
    char *url;             /* where it came from when a redirect led there; NULL: none did */
} mlx_fetch_reply_t;

/*  0 when an answer came, whatever its status; -1 when none did (code unavailable), when a redirect
 *  is refused (usage) or a callback ended it (interrupted). */
int mlx_fetch(const mlx_fetch_t *request, mlx_fetch_reply_t *reply, mlx_error_t *err);
void mlx_fetch_reply_clear(mlx_fetch_reply_t *reply);

/*  The URL of `<https://..>; rel="next"` in a Link HEADER (may be NULL), which may have several.
 *  Caller owns it; NULL when there is none. */
char *mlx_fetch_next_link(const char *header);

/*  "https://host" or "http://127.0.0.1:1234" of a URL that may be fetched at all; NULL with ERR
 *  (usage) otherwise. Caller owns it and must free it. */
char *mlx_url_origin(const char *url, mlx_error_t *err);

/*  S with everything but letters, digits and "-._~" (and '/', if SLASH) percent-encoded. Caller
 *  owns it and must free it. */
char *mlx_url_encode(const char *s, bool slash);

#endif
