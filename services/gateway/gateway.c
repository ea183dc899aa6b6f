#include "gateway.h"
#include "common/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "actions_post.h"
#include "assets.h"
#include "common/agent/mcp.h"
#include "common/os/os.h"
#include "common/view/overview.h"
#include "events.h"
#include "httpd.h"
#include "mcp_http.h"
#include "models_post.h"
#include "openmetrics.h"
#include "page_token.h"
#include "range.h"
#include "request_metrics.h"

enum {
    GATHER_MS = 100,     /* messages of one moment go out together */
    REFRESH_MS = 1000,   /* what only time changes: a value that goes stale */
    HEARTBEAT_MS = 1000, /* a page knows by it that we live, and we that the page does */
    KEEP_EVERY = 10,     /* refreshes */
    TRIM_BYTES = 1 << 20,
    ASK_MS = 5000, /* for the recorder's answer */
    REST = 4,      /* after telling the state, rest so many times as long as that took, at most */
    REST_MAX_MS = 2000,
    ASKING_MAX = 64,
    HOSTS_MAX = 16 /* that the page can choose from */
};

/*  One question to a service on behalf of a request. */
typedef struct question {
    struct question *next;
    mlx_gateway_t *gateway;
    mlx_httpd_request_t *request;
} question_t;

struct mlx_gateway {
    mlx_gateway_options_t options;
    mlx_httpd_t *httpd;
    mlx_overview_t *overview;
    mlx_events_t *events;
    mlx_request_stats_t *requests;
    mlx_otlp_t *otlp;    /* NULL: nothing is exported */
    mlx_mcp_http_t *mcp; /* NULL: not spoken */
    mlx_page_token_t *token;
    mlx_models_post_t *models;
    mlx_actions_post_t *actions;
    mlx_timer_t *gather; /* runs while something is new */
    mlx_timer_t *refresh;
    mlx_timer_t *heartbeat;
    uint64_t beats;
    uint64_t refreshes;
    int64_t rest_us; /* until then the state is not told again: there is much of it */
    question_t *questions;
    size_t asking;
};

/*  One page that listens. */
typedef struct {
    mlx_gateway_t *gateway;
    uint64_t seen;
    uint64_t beats;
} listener_t;

/* ---- what the bus says ---- */

/*  The headlines of other machines, by their names, for the page to choose from. */
static void tell_of_others(mlx_gateway_t *self, mlx_value_t *said)
{
    const char *hosts[HOSTS_MAX];
    MLX_CLEANUP(mlx_free_p) char *own = mlx_strdup(mlx_overview_host(self->overview));
    size_t count = mlx_overview_hosts(self->overview, hosts, HOSTS_MAX);
    mlx_value_t *others = mlx_value_set(said, "others", mlx_value_map());
    for (size_t i = 0; i < count; i++) {
        if (strcmp(hosts[i], own) == 0)
            continue;
        mlx_overview_select(self->overview, hosts[i]);
        mlx_value_set(others, hosts[i], mlx_overview_headline_value(self->overview, mlx_wall_us()));
    }
    mlx_overview_select(self->overview, own);
}

/*  Strangers who fill the tables with sensors and hosts must not keep us from answering. */
static void rest(mlx_gateway_t *self, int64_t begun_us)
{
    int64_t now_us = mlx_now_us(), most_us = (int64_t)REST_MAX_MS * 1000;
    int64_t rest_us = (now_us - begun_us) * REST;
    self->rest_us = now_us + (rest_us < most_us ? rest_us : most_us);
}

static void tell(mlx_gateway_t *self)
{
    int64_t begun_us = mlx_now_us();
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *said = mlx_value_map();
    mlx_value_set_str(said, "host", mlx_overview_host(self->overview));
    mlx_value_set_int(said, "stale_ms", MLX_OVERVIEW_STALE_US / 1000);
    mlx_value_set(said, "headline", mlx_overview_headline_value(self->overview, mlx_wall_us()));
    tell_of_others(self, said);
    mlx_events_headline(self->events, said);
    mlx_httpd_wake(self->httpd);
    rest(self, begun_us);
}

static void on_gather(void *arg)
{
    mlx_gateway_t *self = arg;
    int64_t left_us = self->rest_us - mlx_now_us();
    self->gather = NULL;
    if (left_us > 0)
        self->gather = mlx_loop_after(self->options.loop, left_us / 1000 + 1, on_gather, self);
    else
        tell(self);
}

static void on_refresh(void *arg)
{
    mlx_gateway_t *self = arg;
    if (mlx_now_us() >= self->rest_us)
        tell(self);
    if (++self->refreshes % KEEP_EVERY == 0 &&
        mlx_events_keep(self->events, self->overview) > TRIM_BYTES)
        mlx_os_trim();
}

static void on_heartbeat(void *arg)
{
    mlx_gateway_t *self = arg;
    self->beats++;
    mlx_httpd_wake(self->httpd);
}

static void on_message(void *arg, const mlx_message_t *message)
{
    mlx_gateway_t *self = arg;
    mlx_overview_hear(self->overview, message, mlx_wall_us());
    mlx_events_put(self->events, message);
    mlx_request_stats_hear(self->requests, message, mlx_wall_us());
    if (self->otlp)
        mlx_otlp_hear(self->otlp, message);
    if (!self->gather)
        self->gather = mlx_loop_after(self->options.loop, GATHER_MS, on_gather, self);
}

static void get_metrics(mlx_gateway_t *self, mlx_httpd_request_t *request)
{
    mlx_metrics_format_t format = mlx_openmetrics_negotiate(mlx_httpd_header(request, "Accept"));
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    mlx_openmetrics_write(self->overview, mlx_wall_us(), format, &body);
    mlx_request_metrics_write(self->requests, format, &body);
    if (self->options.vllm_names)
        mlx_request_metrics_vllm(self->requests, self->overview, mlx_wall_us(), format, &body);
    mlx_openmetrics_end(&body);
    mlx_httpd_reply(request, 200, mlx_openmetrics_type(format), body.data, body.len);
}

static void get_status(mlx_gateway_t *self, mlx_httpd_request_t *request)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *value = mlx_overview_value(self->overview, mlx_wall_us());
    mlx_httpd_reply_json(request, value);
}

static void get_cache(mlx_gateway_t *self, mlx_httpd_request_t *request)
{
    const mlx_value_t *cache =
        mlx_overview_get(self->overview, "cache.status", mlx_wall_us(), NULL);
    mlx_error_t err = {0};
    if (cache) {
        mlx_httpd_reply_json(request, cache);
        return;
    }
    mlx_error_set(&err, MLX_ERR_UNAVAILABLE, "the cache service is not reporting");
    mlx_error_hint(&err, "start it (mlx-cached), or see `mlxctl services`");
    mlx_httpd_error(request, &err);
}

/* ---- live events ---- */

static bool fill(void *arg, mlx_buf_t *out)
{
    listener_t *listener = arg;
    mlx_events_read(listener->gateway->events, &listener->seen, out);
    if (listener->beats != listener->gateway->beats)
        mlx_buf_printf(out, "event: beat\ndata: {\"t\":%lld}\n\n", (long long)mlx_wall_us());
    listener->beats = listener->gateway->beats;
    return true;
}

static void get_events(mlx_gateway_t *self, mlx_httpd_request_t *request)
{
    listener_t *listener = mlx_alloc(1, sizeof *listener);
    *listener = (listener_t){.gateway = self, .beats = self->beats};
    if (mlx_httpd_stream(request, "text/event-stream", fill, free, listener))
        free(listener);
}

/* ---- questions to the recorder ---- */

static void end_question(question_t *question)
{
    mlx_gateway_t *self = question->gateway;
    MLX_UNLINK(&self->questions, question);
    self->asking--;
    free(question);
}

static void on_answer(void *arg, mlx_reply_t kind, const mlx_value_t *value, const mlx_error_t *err)
{
    question_t *question = arg;
    mlx_error_t mended;
    if (kind == MLX_REPLY_PROGRESS)
        return;
    if (kind == MLX_REPLY_DONE) {
        mlx_httpd_reply_json(question->request, value);
    } else {
        mended = *err;
        if (mended.code == MLX_ERR_UNAVAILABLE)
            mlx_error_hint(&mended, "history needs mlx-recorder: see `mlxctl services`");
        mlx_httpd_error(question->request, &mended);
    }
    end_question(question);
}

static void ask(mlx_gateway_t *self, mlx_httpd_request_t *request, const char *cmd,
                const mlx_value_t *args)
{
    mlx_error_t err = {0};
    if (self->asking >= ASKING_MAX) {
        mlx_error_set(&err, MLX_ERR_BUSY, "%d queries are waiting for the recorder", ASKING_MAX);
        mlx_error_hint(&err, "try again in a moment");
        mlx_httpd_error(request, &err);
        return;
    }
    question_t *question = mlx_alloc(1, sizeof *question);
    *question = (question_t){.next = self->questions, .gateway = self, .request = request};
    self->questions = question;
    self->asking++;
    mlx_bus_call(self->options.bus, "recorder", cmd, args, ASK_MS, on_answer, question);
}

static void get_history(mlx_gateway_t *self, mlx_httpd_request_t *request)
{
    mlx_range_text_t text = {.series = mlx_httpd_param(request, "series"),
                             .since = mlx_httpd_param(request, "since"),
                             .until = mlx_httpd_param(request, "until"),
                             .points = mlx_httpd_param(request, "points")};
    mlx_range_t range;
    mlx_error_t err = {0};
    if (mlx_range_parse(&range, &text, mlx_wall_us(), &err)) {
        mlx_httpd_error(request, &err);
        return;
    }
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *args = mlx_range_args(&range);
    ask(self, request, "history.query", args);
}

static void get_benchmarks(mlx_gateway_t *self, mlx_httpd_request_t *request)
{
    ask(self, request, "bench.list", NULL);
}

/*  A command with what the address says: texts and whole numbers by these names. */
static void ask_with(mlx_gateway_t *self, mlx_httpd_request_t *request, const char *cmd,
                     const char *const texts[2])
{
    static const char *const numbers[] = {"since", "until", "limit", "cursor"};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *args = mlx_value_map();
    for (size_t i = 0; i < 2 && texts[i]; i++)
        mlx_value_set_str(args, texts[i], mlx_httpd_param(request, texts[i]));
    for (size_t i = 0; i < MLX_COUNT(numbers); i++) {
        const char *text = mlx_httpd_param(request, numbers[i]);
        char *end;
        errno = 0;
        long long number = text ? strtoll(text, &end, 10) : 0;
        if (text && (errno || end == text || *end || number < 0)) {
            mlx_error_t err = {0};
            mlx_error_set(&err, MLX_ERR_USAGE, "%s must be a whole number", numbers[i]);
            mlx_httpd_error(request, &err);
            return;
        }
        if (text)
            mlx_value_set_int(args, numbers[i], number);
    }
    ask(self, request, cmd, args);
}

static void get_series(mlx_gateway_t *self, mlx_httpd_request_t *request)
{
    ask_with(self, request, "history.series", (const char *const[2]){"prefix", "after"});
}

static void get_requests(mlx_gateway_t *self, mlx_httpd_request_t *request)
{
    ask_with(self, request, "requests.list", (const char *const[2]){"client", "model"});
}

static void get_energy(mlx_gateway_t *self, mlx_httpd_request_t *request)
{
    ask_with(self, request, "energy.list", (const char *const[2]){"by"});
}

static void post_mcp(mlx_gateway_t *self, mlx_httpd_request_t *request)
{
    mlx_error_t err = {0};
    if (self->mcp) {
        mlx_mcp_http_take(self->mcp, self->httpd, request);
        return;
    }
    mlx_error_set(&err, MLX_ERR_NOT_FOUND, "the Model Context Protocol is turned off");
    mlx_error_hint(&err, "set gateway.mcp to read or changes");
    mlx_httpd_error(request, &err);
}

static void get_token(mlx_gateway_t *self, mlx_httpd_request_t *request)
{
    mlx_page_token_give(self->token, self->httpd, request);
}

static void post_models(mlx_gateway_t *self, mlx_httpd_request_t *request)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *said = mlx_page_token_take(self->token, self->httpd, request);
    if (said)
        mlx_models_post_take(self->models, request, said);
}

static void post_actions(mlx_gateway_t *self, mlx_httpd_request_t *request)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *said = mlx_page_token_take(self->token, self->httpd, request);
    if (said)
        mlx_actions_post_take(self->actions, request, said);
}

/* ---- what is where ---- */

static const struct {
    const char *path;
    void (*get)(mlx_gateway_t *self, mlx_httpd_request_t *request);
} routes[] = {
    {"/metrics", get_metrics},
    {"/api/status", get_status},
    {"/api/events", get_events},
    {"/api/history", get_history},
    {"/api/series", get_series},
    {"/api/benchmarks", get_benchmarks},
    {"/api/cache", get_cache},
    {"/api/requests", get_requests},
    {"/api/energy", get_energy},
    {"/api/token", get_token},
    {"/mcp", post_mcp},
    {MLX_MODELS_POST_PATH, post_models},
    {MLX_ACTIONS_POST_PATH, post_actions},
};

static void on_request(void *arg, mlx_httpd_request_t *request)
{
    const char *path = mlx_httpd_path(request);
    mlx_error_t err = {0};
    for (size_t i = 0; i < MLX_COUNT(routes); i++)
        if (strcmp(routes[i].path, path) == 0) {
            routes[i].get(arg, request);
            return;
        }
    const mlx_asset_t *asset = mlx_asset_find(path);
    if (asset) {
        mlx_httpd_reply(request, 200, asset->type, asset->data, asset->len);
        return;
    }
    mlx_error_set(&err, MLX_ERR_NOT_FOUND, "no such path");
    mlx_error_hint(&err, "the page is at /, metrics at /metrics, JSON at /api/status");
    mlx_httpd_error(request, &err);
}

mlx_gateway_t *mlx_gateway_new(const mlx_gateway_options_t *options, mlx_error_t *err)
{
    mlx_gateway_t *self = mlx_alloc(1, sizeof *self);
    const char *mcp = options->mcp_token ? "/mcp" : NULL;
    self->options = *options;
    self->overview = mlx_overview_new(mlx_bus_host(options->bus));
    self->events = mlx_events_new();
    self->requests = mlx_request_stats_new();
    self->httpd = mlx_httpd_new(
        &(mlx_httpd_options_t){.loop = options->loop,
                               .listen = options->listen,
                               .name = options->name,
                               .post = {MLX_MODELS_POST_PATH, MLX_ACTIONS_POST_PATH, mcp},
                               .post_max = MLX_MCP_MAX_BYTES,
                               .fn = on_request,
                               .arg = self},
        err);
    if (!self->httpd) {
        mlx_gateway_destroy(&self);
        return NULL;
    }
    self->token = mlx_page_token_new();
    self->actions = mlx_actions_post_new(options->bus);
    self->models = mlx_models_post_new(&(mlx_models_post_options_t){
        .loop = options->loop, .bus = options->bus, .overview = self->overview});
    if (options->mcp_token)
        self->mcp = mlx_mcp_http_new(&(mlx_mcp_http_options_t){.loop = options->loop,
                                                               .bus = options->bus,
                                                               .token = options->mcp_token,
                                                               .changes = options->mcp_changes});
    if (options->otlp)
        self->otlp = mlx_otlp_new(&(mlx_otlp_options_t){.loop = options->loop,
                                                        .settings = options->otlp,
                                                        .overview = self->overview,
                                                        .requests = self->requests,
                                                        .trouble = options->otlp_trouble,
                                                        .arg = options->otlp_arg});
    self->refresh = mlx_loop_every(options->loop, REFRESH_MS, on_refresh, self);
    self->heartbeat = mlx_loop_every(options->loop, HEARTBEAT_MS, on_heartbeat, self);
    mlx_bus_subscribe(options->bus, "", on_message, self);
    return self;
}

void mlx_gateway_destroy(mlx_gateway_t **self_p)
{
    mlx_gateway_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_timer_t **timers[] = {&self->gather, &self->refresh, &self->heartbeat};
    for (size_t i = 0; i < MLX_COUNT(timers); i++)
        if (*timers[i])
            mlx_loop_cancel(self->options.loop, timers[i]);
    mlx_httpd_destroy(&self->httpd);
    mlx_mcp_http_destroy(&self->mcp);
    mlx_models_post_destroy(&self->models);
    mlx_actions_post_destroy(&self->actions);
    mlx_page_token_destroy(&self->token);
    while (self->questions) { /* the bus is about to end: no answer will come */
        question_t *question = self->questions;
        self->questions = question->next;
        free(question);
    }
    mlx_events_destroy(&self->events);
    mlx_otlp_destroy(&self->otlp);
    mlx_request_stats_destroy(&self->requests);
    mlx_overview_destroy(&self->overview);
    free(self);
}

const char *mlx_gateway_address(const mlx_gateway_t *self)
{
    return mlx_httpd_address(self->httpd);
}

bool mlx_gateway_open(const mlx_gateway_t *self)
{
    return mlx_httpd_open(self->httpd);
}
