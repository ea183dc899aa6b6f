#include "tap_session.h"

#include "http_sniff.h"

#include <stdlib.h>
#include <string.h>

/*  Requests a client may have sent ahead; no real client comes near. */
enum {
    MAX_AHEAD = 32
};

typedef struct {
    uint64_t id;
    bool head;                 /* a HEAD request: its reply has no body */
    mlx_stream_stats_t *stats; /* NULL: nothing to measure */
    mlx_tap_caller_t caller;
} exchange_t;

struct mlx_tap_session {
    const mlx_tap_session_events_t *events;
    const mlx_fingerprint_t *prints;
    void *arg;
    char key[MLX_ASKER_KEY]; /* of the head that is being read */
    mlx_http_sniff_t *requests;
    mlx_http_sniff_t *responses;
    int64_t now_us; /* of the call under way, for the handlers */
    bool lost;
    bool client_closed;
    /* Exchanges done to begun are under way; number n sits in slot n % MAX_AHEAD. */
    size_t done;
    size_t begun;
    exchange_t exchanges[MAX_AHEAD];
};

static const exchange_t *oldest(const mlx_tap_session_t *self)
{
    return self->done < self->begun ? &self->exchanges[self->done % MAX_AHEAD] : NULL;
}

static const exchange_t *newest(const mlx_tap_session_t *self)
{
    return self->done < self->begun ? &self->exchanges[(self->begun - 1) % MAX_AHEAD] : NULL;
}

static void finish_oldest(mlx_tap_session_t *self, mlx_stream_outcome_t outcome)
{
    exchange_t *exchange = &self->exchanges[self->done++ % MAX_AHEAD];
    if (!exchange->stats)
        return;
    mlx_stream_figures_t figures;
    if (outcome == MLX_STREAM_OK && self->client_closed)
        mlx_stream_stats_end_alone(exchange->stats, self->now_us);
    else
        mlx_stream_stats_end(exchange->stats, outcome, self->now_us);
    mlx_stream_stats_figures(exchange->stats, self->now_us, &figures);
    mlx_stream_stats_destroy(&exchange->stats);
    self->events->finished(self->arg, exchange->id, &figures, &exchange->caller);
}

static void lose(mlx_tap_session_t *self)
{
    self->lost = true;
    mlx_http_sniff_stop(self->requests);
    mlx_http_sniff_stop(self->responses);
    while (oldest(self))
        finish_oldest(self, MLX_STREAM_LOST);
}

/*  ---- what the client sends ---- */

static void on_request_key(void *arg, const char *key, size_t len)
{
    mlx_tap_session_t *self = arg;
    mlx_fingerprint_of(self->prints, key, len, self->key);
}

static void note_caller(mlx_tap_session_t *self, mlx_tap_caller_t *caller, const char *agent)
{
    mlx_asker_text(caller->agent, sizeof caller->agent, agent, strlen(agent));
    memcpy(caller->key, self->key, sizeof caller->key);
    self->key[0] = '\0';
}

static mlx_sniff_next_t on_request_head(void *arg, const mlx_sniff_head_t *head)
{
    mlx_tap_session_t *self = arg;
    if (self->begun - self->done == MAX_AHEAD)
        return MLX_SNIFF_STOP;
    exchange_t *exchange = &self->exchanges[self->begun++ % MAX_AHEAD];
    *exchange = (exchange_t){.head = strcmp(head->method, "HEAD") == 0};
    if (strcmp(head->method, "POST") == 0)
        exchange->stats = mlx_stream_stats_new(head->path, self->now_us);
    note_caller(self, &exchange->caller, head->agent);
    if (exchange->stats)
        exchange->id = self->events->begun(self->arg);
    return MLX_SNIFF_BODY;
}

static void on_request_body(void *arg, const char *data, size_t len)
{
    const exchange_t *exchange = newest(arg);
    if (exchange && exchange->stats)
        mlx_stream_stats_request(exchange->stats, data, len);
}

static void on_request_end(void *arg)
{
    mlx_tap_session_t *self = arg;
    const exchange_t *exchange = newest(self);
    if (exchange && exchange->stats)
        mlx_stream_stats_sent(exchange->stats, self->now_us);
}

static const mlx_sniff_events_t request_events = {on_request_head, on_request_body, on_request_end,
                                                  on_request_key};

/*  ---- what the server sends ---- */

static mlx_sniff_next_t on_response_head(void *arg, const mlx_sniff_head_t *head)
{
    const exchange_t *exchange = oldest(arg);
    if (!exchange)
        return MLX_SNIFF_STOP; /* a reply to nothing we saw */
    if (exchange->stats)
        mlx_stream_stats_head(exchange->stats, head->status, head->content_type, head->encoding);
    return exchange->head ? MLX_SNIFF_NO_BODY : MLX_SNIFF_BODY;
}

static void on_response_body(void *arg, const char *data, size_t len)
{
    mlx_tap_session_t *self = arg;
    const exchange_t *exchange = oldest(self);
    if (!exchange || !exchange->stats)
        return;
    bool before = mlx_stream_stats_generating(exchange->stats);
    mlx_stream_stats_reply(exchange->stats, data, len, self->now_us);
    if (!before && mlx_stream_stats_generating(exchange->stats))
        self->events->first_text(self->arg, exchange->id);
}

static void on_response_end(void *arg)
{
    finish_oldest(arg, MLX_STREAM_OK);
}

static const mlx_sniff_events_t response_events = {on_response_head, on_response_body,
                                                   on_response_end, NULL};

/*  ---- the connection ---- */

mlx_tap_session_t *mlx_tap_session_new(const mlx_tap_session_events_t *events,
                                       const mlx_fingerprint_t *prints, void *arg)
{
    mlx_tap_session_t *self = mlx_alloc(1, sizeof(*self));
    self->events = events;
    self->prints = prints;
    self->arg = arg;
    self->requests = mlx_http_sniff_new(MLX_SNIFF_REQUESTS, &request_events, self);
    self->responses = mlx_http_sniff_new(MLX_SNIFF_RESPONSES, &response_events, self);
    return self;
}

void mlx_tap_session_destroy(mlx_tap_session_t **self_p)
{
    mlx_tap_session_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < MAX_AHEAD; i++)
        mlx_stream_stats_destroy(&self->exchanges[i].stats);
    mlx_http_sniff_destroy(&self->requests);
    mlx_http_sniff_destroy(&self->responses);
    free(self);
    *self_p = NULL;
}

void mlx_tap_session_client(mlx_tap_session_t *self, const char *data, size_t len, int64_t now_us)
{
    self->now_us = now_us;
    if (!self->lost && !mlx_http_sniff_feed(self->requests, data, len))
        lose(self);
}

void mlx_tap_session_server(mlx_tap_session_t *self, const char *data, size_t len, int64_t now_us)
{
    self->now_us = now_us;
    if (!self->lost && !mlx_http_sniff_feed(self->responses, data, len))
        lose(self);
}

uint64_t mlx_tap_session_client_tells_nothing(const mlx_tap_session_t *self)
{
    const exchange_t *exchange = newest(self);
    bool read = exchange && exchange->stats && !self->lost;
    return read ? 0 : mlx_http_sniff_body_left(self->requests);
}

uint64_t mlx_tap_session_server_tells_nothing(const mlx_tap_session_t *self)
{
    const exchange_t *exchange = oldest(self);
    bool read = exchange && exchange->stats && mlx_stream_stats_reads_reply(exchange->stats);
    return read ? 0 : mlx_http_sniff_body_left(self->responses);
}

void mlx_tap_session_client_passed(mlx_tap_session_t *self, uint64_t len, int64_t now_us)
{
    self->now_us = now_us;
    mlx_http_sniff_skip(self->requests, len);
}

void mlx_tap_session_server_passed(mlx_tap_session_t *self, uint64_t len, int64_t now_us)
{
    self->now_us = now_us;
    mlx_http_sniff_skip(self->responses, len);
}

void mlx_tap_session_client_eof(mlx_tap_session_t *self, int64_t now_us)
{
    self->now_us = now_us;
    self->client_closed = true;
}

void mlx_tap_session_server_eof(mlx_tap_session_t *self, int64_t now_us)
{
    self->now_us = now_us;
    if (!self->lost)
        mlx_http_sniff_eof(self->responses);
    mlx_tap_session_end(
        self, self->client_closed ? MLX_STREAM_CLIENT_ABORT : MLX_STREAM_SERVER_ABORT, now_us);
}

void mlx_tap_session_end(mlx_tap_session_t *self, mlx_stream_outcome_t outcome, int64_t now_us)
{
    self->now_us = now_us;
    while (oldest(self))
        finish_oldest(self, outcome);
}

bool mlx_tap_session_busy(const mlx_tap_session_t *self)
{
    return self->done < self->begun;
}

bool mlx_tap_session_following(const mlx_tap_session_t *self)
{
    return !self->lost;
}

void mlx_tap_session_each(const mlx_tap_session_t *self, int64_t now_us, mlx_tap_session_fn fn,
                          void *arg)
{
    for (size_t n = self->done; n < self->begun; n++) {
        const exchange_t *exchange = &self->exchanges[n % MAX_AHEAD];
        if (!exchange->stats)
            continue;
        mlx_stream_figures_t figures;
        mlx_stream_stats_figures(exchange->stats, now_us, &figures);
        fn(arg, exchange->id, &figures, &exchange->caller);
    }
}
