#include "otlp.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/http/http.h"
#include "otlp_body.h"

enum {
    SPANS_MAX = 2048, /* that wait */
    SPANS_BYTES_MAX = 4 * 1024 * 1024,
    BATCH_MAX = 512,
    FIRST_RETRY_MS = 1000,
    LAST_RETRY_MS = 60000,
    DOUBLINGS = 6,
    REPLY_MAX = 4 * 1024 * 1024
};

/*  One signal on its way to its URL: at most one request at a time. */
typedef struct {
    mlx_otlp_t *otlp;
    mlx_otlp_signal_t signal;
    const mlx_otlp_target_t *target;
    mlx_timer_t *tick;
    mlx_timer_t *retry; /* runs while the receiver is left alone */
    mlx_http_call_t *call;
    size_t items; /* in it */
    unsigned attempts;
    bool troubled;
    uint64_t dropped;
} lane_t;

struct mlx_otlp {
    mlx_otlp_options_t options;
    mlx_http_t *http;
    lane_t lanes[MLX_OTLP_SIGNALS];
    char *spans[SPANS_MAX]; /* that wait, as texts, the oldest first */
    size_t waiting;
    size_t bytes; /* of those that wait */
    uint64_t random;
};

static const char *const items_of[] = {"data points", "spans"};

static void send_lane(lane_t *lane);

/* ---- what goes wrong ---- */

static void tell_trouble(lane_t *lane, const char *why)
{
    mlx_otlp_t *self = lane->otlp;
    lane->troubled = true;
    MLX_CLEANUP(mlx_free_p)
    char *text = lane->dropped ? mlx_format("OTLP export of %s: %s; %" PRIu64 " dropped",
                                            items_of[lane->signal], why, lane->dropped)
                               : mlx_format("OTLP export of %s: %s", items_of[lane->signal], why);
    if (self->options.trouble)
        self->options.trouble(self->options.arg, text);
}

static void tell_well(lane_t *lane)
{
    mlx_otlp_t *self = lane->otlp;
    bool before = lane->troubled;
    lane->attempts = 0;
    lane->troubled = false;
    for (size_t i = 0; i < MLX_OTLP_SIGNALS; i++)
        if (self->lanes[i].troubled)
            return;
    if (before && self->options.trouble)
        self->options.trouble(self->options.arg, NULL);
}

/*  Exporters that failed together do not come back together. */
static uint64_t next_random(mlx_otlp_t *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return self->random;
}

static void on_retry(void *arg)
{
    lane_t *lane = arg;
    lane->retry = NULL;
    send_lane(lane);
}

static void retry_later(lane_t *lane, const mlx_http_reply_t *reply, const char *why)
{
    int64_t asked_s = reply->error.code ? -1 : mlx_http_retry_after(reply);
    unsigned doublings = lane->attempts < DOUBLINGS ? lane->attempts : DOUBLINGS;
    int64_t most = FIRST_RETRY_MS << doublings;
    most = most < LAST_RETRY_MS ? most : LAST_RETRY_MS;
    int64_t delay_ms = most / 2 + (int64_t)(next_random(lane->otlp) % (uint64_t)(most / 2 + 1));
    if (asked_s >= 0)
        delay_ms = asked_s * 1000 + delay_ms / 10;
    lane->attempts++;
    tell_trouble(lane, why);
    lane->retry = mlx_loop_after(lane->otlp->options.loop, delay_ms, on_retry, lane);
}

/* ---- replies ---- */

/*  The receiver has them, or has refused them for good. */
static void forget(lane_t *lane)
{
    mlx_otlp_t *self = lane->otlp;
    if (lane->signal != MLX_OTLP_TRACES)
        return;
    for (size_t i = 0; i < lane->items; i++) {
        self->bytes -= strlen(self->spans[i]);
        free(self->spans[i]);
    }
    self->waiting -= lane->items;
    memmove(self->spans, self->spans + lane->items, self->waiting * sizeof *self->spans);
}

/*  How many of a request that was taken were refused: a number, or a text as OTLP writes it. */
static uint64_t rejected(const mlx_http_reply_t *reply)
{
    static const char *const keys[] = {"rejectedDataPoints", "rejectedSpans"};
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *body = mlx_json_parse(reply->body, reply->body_len, NULL);
    const mlx_value_t *partial = mlx_value_get(body, "partialSuccess");
    int64_t count = 0;
    for (size_t i = 0; i < MLX_COUNT(keys); i++) {
        const char *text = mlx_value_str(partial, keys[i]);
        if (text)
            count = strtoll(text, NULL, 10);
        else
            mlx_value_int(partial, keys[i], &count);
    }
    return count > 0 ? (uint64_t)count : 0;
}

static void on_taken(lane_t *lane, const mlx_http_reply_t *reply)
{
    uint64_t refused = rejected(reply);
    refused = refused < lane->items ? refused : lane->items;
    lane->dropped += refused;
    forget(lane);
    tell_well(lane);
    if (refused)
        tell_trouble(lane, "the receiver rejected part of it");
    if (lane->signal == MLX_OTLP_TRACES && lane->otlp->waiting >= BATCH_MAX)
        send_lane(lane);
}

static void on_reply(void *arg, const mlx_http_reply_t *reply)
{
    static const long passing[] = {429, 502, 503, 504};
    lane_t *lane = arg;
    bool again = reply->error.code != MLX_OK;
    lane->call = NULL;
    if (reply->status / 100 == 2 && !again) {
        on_taken(lane, reply);
        return;
    }
    for (size_t i = 0; i < MLX_COUNT(passing); i++)
        again = again || reply->status == passing[i];
    MLX_CLEANUP(mlx_free_p)
    char *why = reply->error.code ? mlx_strdup(reply->error.text)
                                  : mlx_format("HTTP status %ld", reply->status);
    if (again) {
        retry_later(lane, reply, why);
        return;
    }
    lane->dropped += lane->items;
    forget(lane);
    tell_trouble(lane, why);
}

/* ---- sending ---- */

static void write_body(lane_t *lane, mlx_buf_t *out)
{
    mlx_otlp_t *self = lane->otlp;
    const mlx_value_t *resource = self->options.settings->resource;
    if (lane->signal == MLX_OTLP_METRICS) {
        MLX_CLEANUP(mlx_value_destroy)
        mlx_value_t *body = mlx_otlp_metrics_body(resource, self->options.overview,
                                                  self->options.requests, mlx_wall_us());
        lane->items = mlx_otlp_points(body);
        mlx_json_write(out, body, false);
        return;
    }
    lane->items = self->waiting < BATCH_MAX ? self->waiting : BATCH_MAX;
    mlx_otlp_traces_body(resource, self->spans, lane->items, out);
}

static void send_lane(lane_t *lane)
{
    mlx_otlp_t *self = lane->otlp;
    if (lane->call || lane->retry || (lane->signal == MLX_OTLP_TRACES && self->waiting == 0))
        return;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    write_body(lane, &text);
    if (lane->items == 0)
        return;
    lane->call =
        mlx_http_start(self->http,
                       &(mlx_http_request_t){.url = lane->target->url,
                                             .body = mlx_buf_str(&text),
                                             .body_len = text.len,
                                             .headers = (const char *const *)lane->target->headers,
                                             .timeout_ms = lane->target->timeout_ms,
                                             .max_body = REPLY_MAX},
                       on_reply, lane);
}

static void on_tick(void *arg)
{
    send_lane(arg);
}

void mlx_otlp_hear(mlx_otlp_t *self, const mlx_message_t *message)
{
    lane_t *lane = &self->lanes[MLX_OTLP_TRACES];
    const char *host = mlx_overview_host(self->options.overview);
    if (!lane->target || !mlx_request_ended(message) || !host || strcmp(message->host, host) != 0)
        return;
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *span = mlx_otlp_span(message, self->options.overview);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    if (!span)
        return;
    mlx_json_write(&text, span, false);
    if (self->waiting == SPANS_MAX || self->bytes + text.len > SPANS_BYTES_MAX) {
        lane->dropped++;
        return;
    }
    self->bytes += text.len;
    self->spans[self->waiting++] = mlx_buf_take(&text);
    if (self->waiting >= BATCH_MAX)
        send_lane(lane);
}

mlx_otlp_t *mlx_otlp_new(const mlx_otlp_options_t *options)
{
    mlx_otlp_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    self->http = mlx_http_new(options->loop);
    self->random = (uint64_t)mlx_wall_us() | 1;
    for (size_t i = 0; i < MLX_OTLP_SIGNALS; i++) {
        const mlx_otlp_target_t *target = &options->settings->of[i];
        lane_t *lane = &self->lanes[i];
        *lane = (lane_t){.otlp = self, .signal = (mlx_otlp_signal_t)i};
        if (!target->url)
            continue;
        lane->target = target;
        lane->tick = mlx_loop_every(options->loop, target->interval_ms, on_tick, lane);
    }
    return self;
}

void mlx_otlp_destroy(mlx_otlp_t **self_p)
{
    mlx_otlp_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < MLX_OTLP_SIGNALS; i++) {
        mlx_loop_cancel(self->options.loop, &self->lanes[i].tick);
        mlx_loop_cancel(self->options.loop, &self->lanes[i].retry);
    }
    mlx_http_destroy(&self->http);
    for (size_t i = 0; i < self->waiting; i++)
        free(self->spans[i]);
    free(self);
}
