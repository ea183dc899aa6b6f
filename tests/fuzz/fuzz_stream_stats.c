/*  The figures of a request. The first byte chooses API and form, the second how to cut; up to the
 *  first NUL comes the request's body, then the reply's. Cutting must not change the figures, and
 *  no figure may be one that cannot be. */
#include "common/runtime/stream_stats.h"

#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *const paths[] = {"/api/generate",   "/api/chat",   "/v1/chat/completions",
                                    "/v1/completions", "/completion", "/v1/responses",
                                    "/v1/messages"};
static const char *const types[] = {"application/x-ndjson", "text/event-stream",
                                    "application/json"};

typedef struct {
    uint8_t choice;
    const char *request;
    size_t request_len;
    const char *reply;
    size_t reply_len;
} input_t;

static void measure(const input_t *in, size_t piece, mlx_stream_figures_t *out)
{
    MLX_CLEANUP(mlx_stream_stats_destroy)
    mlx_stream_stats_t *stats = mlx_stream_stats_new(paths[in->choice % MLX_COUNT(paths)], 1000);
    mlx_stream_stats_request(stats, in->request, in->request_len);
    mlx_stream_stats_sent(stats, 2000);
    mlx_stream_stats_head(stats, 200, types[in->choice / 7 % MLX_COUNT(types)], "");
    for (size_t at = 0; at < in->reply_len; at += piece) {
        size_t left = in->reply_len - at;
        mlx_stream_stats_reply(stats, in->reply + at, left < piece ? left : piece, 500000);
        mlx_stream_stats_figures(stats, 900000, out);
    }
    mlx_stream_stats_end(stats, MLX_STREAM_OK, 1000000);
    memset(out, 0, sizeof(*out));
    mlx_stream_stats_figures(stats, 1000000, out);
}

static void check_rate(const char *name, double rate)
{
    if (rate < 0 || isinf(rate))
        mlx_panic("%s is %g", name, rate);
}

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || !(a < b || a > b);
}

static void compare(const mlx_stream_figures_t *a, const mlx_stream_figures_t *b)
{
    if (strcmp(a->model, b->model) != 0 || strcmp(a->done_reason, b->done_reason) != 0 ||
        a->outcome != b->outcome || a->prompt_tokens != b->prompt_tokens ||
        a->generated_tokens != b->generated_tokens || !same(a->prompt_rate, b->prompt_rate) ||
        !same(a->generation_rate, b->generation_rate) || !same(a->ttft_s, b->ttft_s))
        mlx_panic("cutting changed the figures of \"%s\" / \"%s\"", a->model, b->model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2)
        return 0;
    const char *request = (const char *)data + 2;
    const char *end = memchr(request, '\0', len - 2);
    size_t request_len = end ? (size_t)(end - request) : 0;
    const char *reply = end ? end + 1 : request;
    const input_t in = {data[0], request, request_len, reply, len - 2 - (size_t)(reply - request)};
    mlx_stream_figures_t whole, cut;
    measure(&in, len, &whole);
    measure(&in, 1 + data[1] % 64, &cut);
    compare(&whole, &cut);
    check_rate("prompt rate", whole.prompt_rate);
    check_rate("generation rate", whole.generation_rate);
    return 0;
}
