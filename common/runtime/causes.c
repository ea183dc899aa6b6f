/*  Why a server does not answer what it was asked, in its own words. Sources: llama.cpp
 *  tools/server (error_type), Ollama's allowed hosts, Jan's and LM Studio's keys. */
#include "common/runtime/runtime.h"

#include <string.h>

static const char needs_key[] = "needs a key";
static const char asks_tls[] = "it speaks TLS: give its URL as https://";

static const mlx_runtime_cause_t in_common[] = {
    {NULL, 503, "oading model", "it is loading its model"},
    {NULL, 503, "tarting", "it is starting"},
    {NULL, 400, "HTTP request to an HTTPS", asks_tls},
    {NULL, 400, "HTTP request was sent to HTTPS", asks_tls},
    {NULL, 400, "plain HTTP to an SSL", asks_tls},
    {NULL, 401, NULL, needs_key},
    {NULL, 403, "ost header", "it refuses requests for this host name (HTTP 403)"},
    {NULL, 403, NULL, needs_key},
    {NULL, 404, NULL, "it does not offer this (HTTP 404)"},
    {NULL, 429, NULL, "it is handling too many requests (HTTP 429)"},
    {NULL, 501, NULL, "it was started without this (HTTP 501)"},
    {NULL, 502, NULL, "the server behind it does not answer (HTTP 502)"},
    {NULL, 503, NULL, "it cannot answer at the moment (HTTP 503)"},
    {NULL, 504, NULL, "the server behind it does not answer (HTTP 504)"},
    {0},
};

static bool fits(const mlx_runtime_cause_t *cause, const char *path, long status, const char *body)
{
    return (!cause->path || !strcmp(cause->path, path)) &&
           (cause->status ? cause->status == status : status >= 400) &&
           (!cause->says || (body && strstr(body, cause->says)));
}

static const char *find(const mlx_runtime_cause_t *table, const char *path, long status,
                        const char *body)
{
    for (; table && table->text; table++)
        if (fits(table, path, status, body))
            return table->text;
    return NULL;
}

const char *mlx_runtime_cause(const mlx_runtime_backend_t *backend, const char *path, long status,
                              const char *body)
{
    const char *own = find(backend ? backend->causes : NULL, path, status, body);
    return own ? own : find(in_common, path, status, body);
}

bool mlx_runtime_wants_key(const mlx_runtime_backend_t *backend, const char *path, long status,
                           const char *body)
{
    return mlx_runtime_cause(backend, path, status, body) == needs_key;
}

bool mlx_runtime_is_loading(long status, const char *body)
{
    return status == 503 && body && strstr(body, "oading model");
}
