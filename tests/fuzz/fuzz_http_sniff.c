/*  The passive HTTP parser. The first byte says which side and how to cut; the same bytes cut in
 *  two ways must be understood alike. */
#include "proto/buf.h"
#include "services/watcher/http_sniff.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static mlx_sniff_next_t on_head(void *arg, const mlx_sniff_head_t *head)
{
    mlx_buf_printf(arg, "<%s %s %d %s %s %s>", head->method, head->path, head->status,
                   head->content_type, head->encoding, head->agent);
    return head->status == 404 ? MLX_SNIFF_NO_BODY : MLX_SNIFF_BODY;
}

static void on_key(void *arg, const char *key, size_t len)
{
    mlx_buf_printf(arg, "<key %.*s>", (int)len, key);
}

static void on_body(void *arg, const char *data, size_t len)
{
    mlx_buf_append(arg, data, len);
}

static void on_end(void *arg)
{
    mlx_buf_putc(arg, '|');
}

static const mlx_sniff_events_t events = {on_head, on_body, on_end, on_key};

static void watch(mlx_sniff_side_t side, const char *data, size_t len, size_t piece, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_http_sniff_destroy)
    mlx_http_sniff_t *sniff = mlx_http_sniff_new(side, &events, out);
    bool alive = true;
    for (size_t at = 0; at < len && alive; at += piece)
        alive = mlx_http_sniff_feed(sniff, data + at, len - at < piece ? len - at : piece);
    bool clean = mlx_http_sniff_eof(sniff);
    mlx_buf_puts(out, !alive ? "!" : clean ? "." : "~");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 1)
        return 0;
    mlx_sniff_side_t side = data[0] & 1 ? MLX_SNIFF_RESPONSES : MLX_SNIFF_REQUESTS;
    const char *stream = (const char *)data + 1;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t whole = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t cut = {0};
    watch(side, stream, len - 1, len, &whole);
    watch(side, stream, len - 1, 1 + data[0] / 2u % 64, &cut);
    if (whole.len != cut.len || memcmp(mlx_buf_str(&whole), mlx_buf_str(&cut), cut.len) != 0)
        mlx_panic("cutting changed the reading: %s / %s", mlx_buf_str(&whole), mlx_buf_str(&cut));
    return 0;
}
