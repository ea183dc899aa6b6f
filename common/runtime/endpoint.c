#include "common/runtime/endpoint.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/loopback.h"

typedef struct {
    const char *data;
    size_t len;
} span_t;

static span_t trimmed(const char *text)
{
    span_t s = {text, strlen(text)};
    while (s.len && strchr(" \t\r\n\"'", s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len && strchr(" \t\r\n\"'", s.data[s.len - 1]))
        s.len--;
    return s;
}

/*  What stands before an @ may be a password: it is not repeated. */
static int bad(mlx_error_t *err, const char *what, span_t s)
{
    const char *at = NULL;
    for (size_t i = 0; i < s.len; i++)
        at = s.data[i] == '@' ? s.data + i : at;
    if (at) {
        s.len -= (size_t)(at - s.data);
        s.data = at;
        what = "it must not contain a user name or password";
    }
    mlx_error_set(err, MLX_ERR_USAGE, "runtime address \"%s%.*s\": %s", at ? "..." : "",
                  (int)(s.len < 200 ? s.len : 200), s.data, what);
    return mlx_error_hint(err, "write it as [http://]host[:port][/path]");
}

/*  Take "scheme://" off the front of S; the default port follows the scheme. */
static int take_scheme(span_t *s, const char **scheme, int *port)
{
    *scheme = "http";
    for (size_t i = 0; i + 3 <= s->len; i++) {
        if (memcmp(s->data + i, "://", 3) != 0)
            continue;
        if (i == 4 && !strncasecmp(s->data, "http", 4))
            *port = 80;
        else if (i == 5 && !strncasecmp(s->data, "https", 5))
            *port = 443;
        else
            return -1;
        *scheme = *port == 443 ? "https" : "http";
        s->data += i + 3;
        s->len -= i + 3;
        return 0;
    }
    return 0;
}

static span_t take_path(span_t *s)
{
    const char *slash = memchr(s->data, '/', s->len);
    span_t path = {"", 0};
    if (slash) {
        path = (span_t){slash, s->len - (size_t)(slash - s->data)};
        s->len = (size_t)(slash - s->data);
        while (path.len && path.data[path.len - 1] == '/')
            path.len--;
    }
    return path;
}

/*  An IPv6 address without brackets has two colons or more; then there is no port. */
static bool split_port(span_t *s, int *port)
{
    const char *colon = NULL;
    size_t colons = 0;
    for (size_t i = 0; i < s->len; i++)
        if (s->data[i] == ':') {
            colon = s->data + i;
            colons++;
        }
    bool bracketed = s->len && s->data[0] == '[';
    if (!colon || (bracketed ? colon == s->data || colon[-1] != ']' : colons > 1))
        return true;
    char digits[8] = "";
    size_t len = s->len - (size_t)(colon - s->data) - 1;
    if (len == 0 || len >= sizeof digits)
        return false;
    memcpy(digits, colon + 1, len);
    if (strspn(digits, "0123456789") != len)
        return false;
    long value = strtol(digits, NULL, 10);
    if (value < 1 || value > 65535)
        return false;
    *port = (int)value;
    s->len = (size_t)(colon - s->data);
    return true;
}

static bool copy_host(char *out, span_t s)
{
    if (s.len >= 2 && s.data[0] == '[' && s.data[s.len - 1] == ']') {
        s.data++;
        s.len -= 2;
    }
    if (s.len >= MLX_ENDPOINT_HOST_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!isalnum((unsigned char)s.data[i]) && !strchr(".-_:", s.data[i]))
            return false;
        out[i] = (char)tolower((unsigned char)s.data[i]);
    }
    out[s.len] = '\0';
    if (out[0] == '\0' || !strcmp(out, "0.0.0.0"))
        snprintf(out, MLX_ENDPOINT_HOST_MAX, "127.0.0.1");
    if (!strcmp(out, "::"))
        snprintf(out, MLX_ENDPOINT_HOST_MAX, "::1");
    return true;
}

static bool good_path(span_t path)
{
    if (path.len >= MLX_ENDPOINT_PATH_MAX)
        return false;
    for (size_t i = 0; i < path.len; i++)
        if (!isgraph((unsigned char)path.data[i]) || strchr("?#\\\"<>", path.data[i]))
            return false;
    return true;
}

int mlx_endpoint_parse(mlx_endpoint_t *self, const char *text, int default_port, mlx_error_t *err)
{
    *self = (mlx_endpoint_t){.port = default_port};
    span_t whole = trimmed(text ? text : "");
    span_t rest = whole;
    const char *scheme;
    if (take_scheme(&rest, &scheme, &self->port))
        return bad(err, "only http and https are supported", whole);
    span_t path = take_path(&rest);
    if (!split_port(&rest, &self->port))
        return bad(err, "the port is not a number from 1 to 65535", whole);
    if (!copy_host(self->host, rest))
        return bad(err, "no host name", whole);
    if (!good_path(path))
        return bad(err, "the path contains invalid characters", whole);

    bool v6 = strchr(self->host, ':') != NULL;
    snprintf(self->url, sizeof self->url, "%s://%s%s%s:%d%.*s", scheme, v6 ? "[" : "", self->host,
             v6 ? "]" : "", self->port, (int)path.len, path.data);
    snprintf(self->segment, sizeof self->segment, "%.58s-%d", self->host, self->port);
    for (char *c = self->segment; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-')
            *c = '_';
    return 0;
}

bool mlx_endpoint_same(const mlx_endpoint_t *a, const mlx_endpoint_t *b)
{
    const char *left = strcmp(a->host, "localhost") ? a->host : "127.0.0.1";
    const char *right = strcmp(b->host, "localhost") ? b->host : "127.0.0.1";
    return a->port == b->port && !strcmp(left, right);
}

char *mlx_endpoint_address(const mlx_endpoint_t *self)
{
    bool v6 = strchr(self->host, ':') != NULL;
    return mlx_format("%s%s%s:%d", v6 ? "[" : "", self->host, v6 ? "]" : "", self->port);
}

bool mlx_endpoint_local(const mlx_endpoint_t *self)
{
    return mlx_loopback_host(self->host, strlen(self->host));
}
