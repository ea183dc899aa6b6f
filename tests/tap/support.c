#include "tests/tap/support.h"

#define JSON_UTF8 "application/json; charset=utf-8"

const fixture_t fixtures[] = {
    {"chat-nonstream", "json", 200, JSON_UTF8, false},
    {"chat-stream", "ndjson", 200, "application/x-ndjson", true},
    {"err-bad-json", "json", 400, JSON_UTF8, false},
    {"err-missing-model", "json", 404, JSON_UTF8, false},
    {"err-unknown-model-generate", "json", 404, JSON_UTF8, false},
    {"generate-nonstream", "json", 200, JSON_UTF8, false},
    {"generate-stream", "ndjson", 200, "application/x-ndjson", true},
    {"load-only", "json", 200, JSON_UTF8, false},
    {"ps-idle", "json", 200, JSON_UTF8, false},
    {"ps-keepalive-forever", "json", 200, JSON_UTF8, false},
    {"ps-loaded", "json", 200, JSON_UTF8, false},
    {"show", "json", 200, JSON_UTF8, true},
    {"tags", "json", 200, JSON_UTF8, false},
    {"unload", "json", 200, JSON_UTF8, false},
    {"v1-chat-stream", "sse", 200, "text/event-stream", true},
    {"v1-chat-stream-usage", "sse", 200, "text/event-stream", true},
    {"v1-models", "json", 200, "application/json", false},
    {"version", "json", 200, JSON_UTF8, false},
    {0},
};

const fixture_t *fixture(const char *name)
{
    for (size_t i = 0; fixtures[i].name; i++) {
        if (strcmp(fixtures[i].name, name) == 0)
            return &fixtures[i];
    }
    fail_msg("no fixture %s", name);
    return NULL;
}

uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void feed_copy(const char *data, size_t len, feed_fn fn, void *arg)
{
    char *copy = malloc(len);
    assert_non_null(copy);
    memcpy(copy, data, len);
    fn(arg, copy, len);
    free(copy);
}

void feed_cut(const cut_plan_t *plan, const char *data, size_t len, feed_fn fn, void *arg)
{
    uint64_t seed = plan->seed * 0x9e3779b97f4a7c15u;
    for (size_t at = 0; at < len;) {
        size_t n = len - at;
        if (plan->first)
            n = at == 0 ? plan->first : n;
        else if (plan->piece)
            n = plan->piece;
        else if (plan->seed)
            n = 1 + (size_t)(draw(&seed) % 64);
        if (n > len - at)
            n = len - at;
        feed_copy(data + at, n, fn, arg);
        at += n;
    }
}

static void load(const char *name, const char *suffix, mlx_buf_t *out)
{
    char path[256];
    snprintf(path, sizeof(path), "tests/fixtures/ollama/%s.%s", name, suffix);
    MLX_CLEANUP(mlx_fclose_p) FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot read %s", path);
    char piece[4096];
    size_t n;
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
        mlx_buf_append(out, piece, n);
}

void fixture_body(const fixture_t *f, mlx_buf_t *out)
{
    load(f->name, f->suffix, out);
}

void fixture_reply(const fixture_t *f, size_t chunk, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    load(f->name, "headers", out);
    load(f->name, f->suffix, &body);
    for (size_t at = 0; f->chunked && at < body.len; at += chunk) {
        size_t n = body.len - at < chunk ? body.len - at : chunk;
        mlx_buf_printf(out, "%zx\r\n", n);
        mlx_buf_append(out, body.data + at, n);
        mlx_buf_puts(out, "\r\n");
    }
    if (f->chunked)
        mlx_buf_puts(out, "0\r\n\r\n");
    else
        mlx_buf_append(out, body.data, body.len);
}

void fixture_request_body(const fixture_t *f, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    load(f->name, "request", &text);
    const char *body = text.data + strcspn(text.data, "\n");
    body += strspn(body, "\n");
    mlx_buf_append(out, body, strcspn(body, "\n"));
}

void fixture_request(const fixture_t *f, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    load(f->name, "request", &text);
    fixture_request_body(f, &body);
    mlx_buf_printf(out, "%.*s HTTP/1.1\r\nHost: localhost\r\n", (int)strcspn(text.data, "\n"),
                   text.data);
    if (body.len)
        mlx_buf_printf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.len);
    mlx_buf_puts(out, "\r\n");
    mlx_buf_append(out, body.data, body.len);
}
