#include "otlp_settings.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#include "proto/utf8.h"

enum {
    ATTRIBUTES_MAX = 64,
    TEXT_MAX = 255,
    TIMEOUT_MS = 10000,
    SPANS_MS = 5000,
    LEAST_MS = 100,
    MOST_MS = 3600 * 1000
};

static const char *const signal_words[] = {"METRICS", "TRACES"};
static const char *const paths[] = {"/v1/metrics", "/v1/traces"};

typedef struct {
    mlx_otlp_settings_t *self;
    const mlx_config_t *config;
    const mlx_env_t *env;
    mlx_error_t *err;
} reader_t;

/*  A variable of one signal, or else of both. *OWN (may be NULL): it is the signal's. */
static const char *variable(const reader_t *reader, size_t signal, const char *last, bool *own)
{
    char name[80];
    snprintf(name, sizeof name, "OTEL_EXPORTER_OTLP_%s_%s", signal_words[signal], last);
    const char *value = mlx_env_get(reader->env, name);
    if (own)
        *own = value != NULL;
    if (value)
        return value;
    snprintf(name, sizeof name, "OTEL_EXPORTER_OTLP_%s", last);
    return mlx_env_get(reader->env, name);
}

/*  Was KEY given by a flag or an MLX_ variable, which are stronger than OpenTelemetry's? */
static bool is_strong(const reader_t *reader, const char *key)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *all = mlx_config_describe(reader->config);
    for (size_t i = 0; i < mlx_value_size(all); i++) {
        const char *name = mlx_value_str(mlx_value_at(all, i), "key");
        const char *source = mlx_value_str(mlx_value_at(all, i), "source");
        if (name && source && strcmp(name, key) == 0)
            return strcmp(source, "flag") == 0 || strcmp(source, "environment") == 0;
    }
    return false;
}

static bool is_yes(const char *text)
{
    return text && strcasecmp(text, "true") == 0;
}

/* ---- lists of name=value ---- */

static int hex_digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10
                                        : -1;
}

/*  TEXT, LEN bytes without the blanks around it, percent-decoded. Caller owns it. */
static char *decoded(const char *text, size_t len)
{
    for (; len > 0 && (*text == ' ' || *text == '\t'); len--)
        text++;
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    char *out = mlx_strndup(text, len), *to = out;
    for (const char *from = out; *from; from++)
        if (*from == '%' && hex_digit(from[1]) >= 0 && hex_digit(from[2]) >= 0) {
            *to++ = (char)(hex_digit(from[1]) * 16 + hex_digit(from[2]));
            from += 2;
        } else {
            *to++ = *from;
        }
    *to = '\0';
    return out;
}

typedef int (*pair_fn)(void *arg, const char *name, const char *value);

/*  Call FN for each pair of "k=v,k2=v2" (W3C baggage without properties). */
static int each_pair(const char *list, pair_fn fn, void *arg)
{
    while (list && *list) {
        size_t len = strcspn(list, ",");
        const char *equal = memchr(list, '=', len);
        if (equal) {
            MLX_CLEANUP(mlx_free_p) char *name = decoded(list, (size_t)(equal - list));
            MLX_CLEANUP(mlx_free_p)
            char *value = decoded(equal + 1, len - (size_t)(equal - list) - 1);
            if (*name && fn(arg, name, value))
                return -1;
        }
        list += len + (list[len] == ',');
    }
    return 0;
}

typedef struct {
    mlx_otlp_target_t *target;
    mlx_error_t *err;
} headers_t;

static bool is_header_name(const char *name)
{
    return name[strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

static int add_header(void *arg, const char *name, const char *value)
{
    headers_t *headers = arg;
    size_t count = 0;
    while (headers->target->headers[count])
        count++;
    if (!is_header_name(name) || strpbrk(value, "\r\n") || count == MLX_OTLP_HEADERS_MAX)
        return mlx_error_set(headers->err, MLX_ERR_USAGE, "OTLP header %s: not a valid header",
                             is_header_name(name) ? name : "name");
    headers->target->headers[count] = mlx_format("%s: %s", name, value);
    return 0;
}

static int add_attribute(void *arg, const char *name, const char *value)
{
    mlx_value_t *map = arg;
    MLX_CLEANUP(mlx_free_p) char *key = mlx_utf8_line(name, TEXT_MAX);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_utf8_line(value, TEXT_MAX);
    if (mlx_value_size(map) < ATTRIBUTES_MAX || mlx_value_get(map, key))
        mlx_value_set_str(map, key, text);
    return 0;
}

/* ---- the parts ---- */

static int64_t milliseconds(const char *text, int64_t fallback)
{
    char *end;
    long long ms = text ? strtoll(text, &end, 10) : 0;
    if (!text || end == text || *end || ms < LEAST_MS)
        return fallback;
    return ms < MOST_MS ? ms : MOST_MS;
}

static bool is_turned_off(const reader_t *reader, size_t signal)
{
    char name[40];
    snprintf(name, sizeof name, "OTEL_%s_EXPORTER", signal_words[signal]);
    const char *exporter = mlx_env_get(reader->env, name);
    return (exporter && strcmp(exporter, "none") == 0) ||
           is_yes(mlx_env_get(reader->env, "OTEL_SDK_DISABLED"));
}

/*  The base with the signal's path behind it; what names the signal is used as it is. */
static int read_url(const reader_t *reader, size_t signal)
{
    bool own = false;
    const char *configured = mlx_config_str(reader->config, "otlp.endpoint");
    const char *base = variable(reader, signal, "ENDPOINT", &own);
    if (!base || is_strong(reader, "otlp.endpoint")) {
        base = configured;
        own = false;
    }
    if (!base || !*base || is_turned_off(reader, signal))
        return 0;
    size_t len = strlen(base);
    if ((strncmp(base, "http://", 7) != 0 && strncmp(base, "https://", 8) != 0) ||
        !mlx_utf8_plain(base, len) || strchr(base, ' ')) {
        mlx_error_set(reader->err, MLX_ERR_USAGE, "otlp.endpoint: not an http or https URL");
        mlx_error_hint(reader->err, "give something like http://127.0.0.1:4318");
        return -1;
    }
    while (!own && len > 0 && base[len - 1] == '/')
        len--;
    reader->self->of[signal].url =
        own ? mlx_strdup(base) : mlx_format("%.*s%s", (int)len, base, paths[signal]);
    return 0;
}

static int read_headers(const reader_t *reader, size_t signal)
{
    headers_t headers = {.target = &reader->self->of[signal], .err = reader->err};
    const mlx_value_t *list = mlx_config_value(reader->config, "otlp.headers");
    const char *text = variable(reader, signal, "HEADERS", NULL);
    if (text && !is_strong(reader, "otlp.headers"))
        return each_pair(text, add_header, &headers);
    for (size_t i = 0; i < mlx_value_size(list); i++)
        if (each_pair(mlx_value_as_str(mlx_value_at(list, i), NULL), add_header, &headers))
            return -1;
    return 0;
}

static void read_times(const reader_t *reader, size_t signal)
{
    mlx_otlp_target_t *target = &reader->self->of[signal];
    const char *interval = mlx_env_get(reader->env, "OTEL_METRIC_EXPORT_INTERVAL");
    int64_t configured = (int64_t)(mlx_config_real(reader->config, "otlp.interval_s") * 1000);
    target->timeout_ms = milliseconds(variable(reader, signal, "TIMEOUT", NULL), TIMEOUT_MS);
    if (signal == MLX_OTLP_TRACES)
        target->interval_ms =
            milliseconds(mlx_env_get(reader->env, "OTEL_BSP_SCHEDULE_DELAY"), SPANS_MS);
    else if (is_strong(reader, "otlp.interval_s"))
        target->interval_ms = configured;
    else
        target->interval_ms = milliseconds(interval, configured);
}

static mlx_value_t *read_resource(const reader_t *reader, const char *host)
{
    mlx_value_t *map = mlx_value_map();
    struct utsname system;
    mlx_value_set_str(map, "service.name", "mlx");
    mlx_value_set_str(map, "service.version", MLX_VERSION);
    mlx_value_set_str(map, "service.instance.id", host);
    mlx_value_set_str(map, "host.name", host);
    if (uname(&system) == 0) {
        bool amd64 = strcmp(system.machine, "x86_64") == 0;
        bool arm64 = strcmp(system.machine, "aarch64") == 0;
        mlx_value_set_str(map, "host.arch", amd64 ? "amd64" : arm64 ? "arm64" : system.machine);
        for (char *c = system.sysname; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        mlx_value_set_str(map, "os.type", system.sysname);
    }
    each_pair(mlx_env_get(reader->env, "OTEL_RESOURCE_ATTRIBUTES"), add_attribute, map);
    const char *name = mlx_env_get(reader->env, "OTEL_SERVICE_NAME");
    if (name)
        add_attribute(map, "service.name", name);
    return map;
}

int mlx_otlp_settings_read(mlx_otlp_settings_t *self, const mlx_config_t *config,
                           const mlx_env_t *env, const char *host, mlx_error_t *err)
{
    reader_t reader = {.self = self, .config = config, .env = env, .err = err};
    bool any = false;
    *self = (mlx_otlp_settings_t){0};
    for (size_t i = 0; i < MLX_OTLP_SIGNALS; i++) {
        if (read_url(&reader, i) || (self->of[i].url && read_headers(&reader, i)))
            return -1;
        read_times(&reader, i);
        const char *protocol = variable(&reader, i, "PROTOCOL", NULL);
        any = any || self->of[i].url;
        self->json_only = self->json_only || (protocol && strcmp(protocol, "http/json") != 0);
    }
    if (any)
        self->resource = read_resource(&reader, host);
    return any;
}

void mlx_otlp_settings_clear(mlx_otlp_settings_t *self)
{
    for (size_t i = 0; i < MLX_OTLP_SIGNALS; i++) {
        free(self->of[i].url);
        for (char **header = self->of[i].headers; *header; header++)
            free(*header);
    }
    mlx_value_destroy(&self->resource);
    *self = (mlx_otlp_settings_t){0};
}
