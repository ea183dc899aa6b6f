#include "services/cache/transfer/fetch.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/loopback.h"

enum {
    MAX_REDIRECTS = 10,
    MAX_HEADERS = 8,
    DEFAULT_STALL_MS = 30000,
    LEAST_RATE = 1024, /* a body that only trickles is asked for again */
    CONNECT_MS = 10000,
    SMALL_TIMEOUT_MS = 60000,
};

/* ---- addresses ---- */

char *mlx_url_origin(const char *url, mlx_error_t *err)
{
    bool https = strncasecmp(url, "https://", 8) == 0;
    bool http = strncasecmp(url, "http://", 7) == 0;
    const char *host = url + (https ? 8 : 7);
    size_t len = https || http ? strcspn(host, "/?#") : 0;
    const char *fault = NULL;
    if (!len)
        fault = "is not an http or https URL";
    else if (memchr(host, '@', len) || memchr(host, '\\', len))
        fault = "must not contain a user name or backslash";
    else if (http && !mlx_loopback_url(url))
        fault = "is not encrypted: only https, or http to this machine";
    if (!fault)
        return mlx_format("%s%.*s", https ? "https://" : "http://", (int)len, host);
    /* A user name comes with a password, which must not reach a log. */
    const char *secret = len ? memchr(host, '@', len) : NULL;
    for (const char *at = secret; at; at = memchr(at + 1, '@', (size_t)(host + len - at - 1)))
        secret = at;
    const char *rest = secret ? secret : url;
    mlx_error_set(err, MLX_ERR_USAGE, "%.*s%.*s %s", secret ? (int)(host - url) : 0, url,
                  (int)strcspn(rest, "?#"), rest, fault);
    return NULL;
}

char *mlx_url_encode(const char *s, bool slash)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (isalnum(c) || strchr("-._~", c) || (slash && c == '/'))
            mlx_buf_putc(&out, *s);
        else
            mlx_buf_printf(&out, "%%%02X", c);
    }
    return mlx_buf_take(&out);
}

/* ---- one answer ---- */

typedef struct {
    const char *url;
    const mlx_fetch_t *request;
    mlx_fetch_reply_t *reply;
    mlx_error_t *err;
    char *location;
    bool ended; /* a callback of the caller ended it */
    int rc;
} exchange_t;

static char *copy_header(const mlx_http_reply_t *reply, const char *name)
{
    const char *value = mlx_http_header(reply, name);
    return value && strlen(value) < 4096 ? mlx_strdup(value) : NULL;
}

char *mlx_fetch_next_link(const char *header)
{
    const char *at = header;
    while (at && (at = strchr(at, '<'))) {
        const char *end = strchr(at, '>');
        const char *part = end ? strchr(end, ',') : NULL;
        size_t len = end ? (part ? (size_t)(part - end) : strlen(end)) : 0;
        MLX_CLEANUP(mlx_free_p) char *attributes = mlx_strndup(end ? end : "", len);
        if (strstr(attributes, "rel=\"next\""))
            return mlx_strndup(at + 1, (size_t)(end - at - 1));
        at = end;
    }
    return NULL;
}

/*  Where an upload goes on: a path of the same host, or a whole URL. */
static char *next_location(const exchange_t *x, const mlx_http_reply_t *http)
{
    const char *value = mlx_http_header(http, "location");
    if (!value || strlen(value) > 4096 || http->status / 100 == 3)
        return NULL;
    if (value[0] != '/' || value[1] == '/')
        return mlx_strdup(value);
    MLX_CLEANUP(mlx_free_p) char *origin = mlx_url_origin(x->url, NULL);
    return origin ? mlx_format("%s%s", origin, value) : NULL;
}

/*  Seconds: Retry-After or the hub's `RateLimit: "resolvers";r=0;t=12`. */
static int64_t retry_after(const mlx_http_reply_t *reply)
{
    const char *limit = mlx_http_header(reply, "ratelimit");
    const char *t = limit ? strstr(limit, ";t=") : NULL;
    const char *digits = t ? t + 3 : "";
    char *end;
    if (mlx_http_header(reply, "retry-after"))
        return mlx_http_retry_after(reply);
    long long seconds = strtoll(digits, &end, 10);
    return end == digits || seconds < 0 || seconds > 3600 ? -1 : seconds;
}

static void on_reply(void *arg, const mlx_http_reply_t *http)
{
    exchange_t *x = arg;
    mlx_fetch_reply_t *reply = x->reply;
    reply->status = http->status;
    reply->unconnected = http->unconnected;
    if (http->error.code) {
        if (x->err)
            *x->err = http->error;
        if (http->unconnected)
            mlx_error_hint(x->err, "is this machine online, and the address right?");
        if (x->ended && x->err)
            x->err->code = MLX_ERR_INTERRUPTED;
        x->rc = -1;
        return;
    }
    if (http->status / 100 == 3 && *http->location)
        x->location = mlx_strdup(http->location);
    mlx_buf_append(&reply->body, http->body ? http->body : "", http->body_len);
    reply->next = mlx_fetch_next_link(mlx_http_header(http, "link"));
    reply->error_code = copy_header(http, "x-error-code");
    reply->error_message = copy_header(http, "x-error-message");
    reply->challenge = copy_header(http, "www-authenticate");
    reply->retry_after_s = retry_after(http);
    reply->location = next_location(x, http);
    reply->digest = copy_header(http, "docker-content-digest");
}

static bool on_head(void *arg, const mlx_http_reply_t *head)
{
    exchange_t *x = arg;
    x->ended = x->request->on_head && !x->request->on_head(x->request->arg, head);
    return !x->ended;
}

static bool on_data(void *arg, const char *data, size_t len)
{
    exchange_t *x = arg;
    x->ended = !x->request->on_data(x->request->arg, data, len);
    return !x->ended;
}

static bool on_stop(void *arg)
{
    exchange_t *x = arg;
    bool stop = x->request->stop(x->request->arg);
    x->ended = x->ended || stop;
    return stop;
}

void mlx_fetch_reply_clear(mlx_fetch_reply_t *reply)
{
    mlx_buf_clear(&reply->body);
    free(reply->next);
    free(reply->error_code);
    free(reply->error_message);
    free(reply->challenge);
    free(reply->location);
    free(reply->digest);
    free(reply->url);
    *reply = (mlx_fetch_reply_t){.retry_after_s = -1};
}

static void exchange(exchange_t *x, const char *url, bool with_auth)
{
    const mlx_fetch_t *request = x->request;
    const char *headers[MAX_HEADERS] = {"Accept-Encoding: identity"};
    size_t count = 1;
    MLX_CLEANUP(mlx_free_p)
    char *auth = request->auth ? mlx_format("Authorization: %s", request->auth) : NULL;
    MLX_CLEANUP(mlx_free_p)
    char *accept = request->accept ? mlx_format("Accept: %s", request->accept) : NULL;
    MLX_CLEANUP(mlx_free_p)
    char *end = request->to ? mlx_format("%llu", (unsigned long long)request->to - 1) : NULL;
    MLX_CLEANUP(mlx_free_p)
    char *range =
        mlx_format("Range: bytes=%llu-%s", (unsigned long long)request->from, end ? end : "");
    MLX_CLEANUP(mlx_free_p)
    char *type = mlx_format("Content-Type: %s",
                            request->content_type ? request->content_type : "application/json");
    MLX_CLEANUP(mlx_free_p)
    char *piece =
        mlx_format("Content-Range: %s", request->content_range ? request->content_range : "");
    if (request->body)
        headers[count++] = type;
    if (request->content_range)
        headers[count++] = piece;
    if (auth && with_auth)
        headers[count++] = auth;
    if (accept)
        headers[count++] = accept;
    if (request->from || request->to)
        headers[count++] = range;
    headers[count] = NULL;
    mlx_http_run(
        &(mlx_http_request_t){
            .url = url,
            .method = request->method,
            .body = request->body,
            .body_len = request->body_len,
            .headers = headers,
            .timeout_ms = request->on_data ? -1 : SMALL_TIMEOUT_MS,
            .connect_timeout_ms = CONNECT_MS,
            .stall_timeout_ms = request->stall_ms ? request->stall_ms : DEFAULT_STALL_MS,
            .least_rate = request->on_data ? LEAST_RATE : 0,
            .max_body = request->max_body,
            .unbounded_stream = request->on_data != NULL,
            .decode = true,
            .on_head = request->on_data ? on_head : NULL,
            .on_data = request->on_data ? on_data : NULL,
            .stop = request->stop ? on_stop : NULL,
        },
        on_reply, x);
}

int mlx_fetch(const mlx_fetch_t *request, mlx_fetch_reply_t *reply, mlx_error_t *err)
{
    *reply = (mlx_fetch_reply_t){.retry_after_s = -1};
    MLX_CLEANUP(mlx_free_p) char *first = mlx_url_origin(request->url, err);
    MLX_CLEANUP(mlx_free_p) char *url = mlx_strdup(request->url);
    if (!first)
        return -1;
    bool with_auth = true;
    for (unsigned hop = 0; hop <= MAX_REDIRECTS; hop++) {
        exchange_t x = {.url = url, .request = request, .reply = reply, .err = err};
        exchange(&x, url, with_auth);
        if (x.rc || !x.location)
            return x.rc;
        free(url);
        url = x.location;
        MLX_CLEANUP(mlx_free_p) char *origin = mlx_url_origin(url, err);
        if (!origin)
            return -1;
        if (strncmp(first, "https", 5) == 0 && strncmp(origin, "https", 5) != 0)
            return mlx_error_set(err, MLX_ERR_USAGE, "%s redirects to an unencrypted address",
                                 first);
        /* Once it left, it stays out: the way back is not the host's own word any more. */
        with_auth = with_auth && strcasecmp(origin, first) == 0;
        mlx_fetch_reply_clear(reply);
        reply->redirected = !with_auth;
        reply->url = mlx_strdup(url);
    }
    return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "%s redirects too many times", first);
}
