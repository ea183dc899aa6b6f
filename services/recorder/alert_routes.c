#include "alert_routes.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/loopback.h"
#include "common/http/http.h"

enum {
    TIMEOUT_MS = 10000,
    PAUSE_MS = 2000,
};

typedef struct delivery delivery_t;

struct delivery {
    mlx_alert_routes_t *routes;
    delivery_t *next;
    const char *kind, *url; /* borrowed from the configuration's copy */
    char *body;
    char *headers[4];
    int tries;
    mlx_http_call_t *call;
    mlx_timer_t *again;
};

struct mlx_alert_routes {
    mlx_loop_t *loop;
    mlx_http_t *http;
    mlx_value_t *config;
    void (*problem)(void *arg, const char *kind, const char *text);
    void *arg;
    delivery_t *first;
    size_t count;
};

/*  https anywhere, http to this machine alone: an alert goes over no network in the clear. */
static bool is_allowed(const char *url)
{
    if (strncmp(url, "https://", strlen("https://")) == 0)
        return url[strlen("https://")] != '\0';
    return mlx_loopback_url(url);
}

mlx_alert_routes_t *mlx_alert_routes_new(mlx_loop_t *loop, const mlx_value_t *config,
                                         void (*problem)(void *arg, const char *kind,
                                                         const char *text),
                                         void *arg, mlx_error_t *err)
{
    for (size_t i = 0; i < mlx_value_size(config); i++) {
        const char *url = mlx_value_str(mlx_value_at(config, i), "url");
        if (url && is_allowed(url))
            continue;
        mlx_error_set(err, MLX_ERR_USAGE, "alert.routes: the url of route %zu is not allowed",
                      i + 1);
        mlx_error_hint(err, "it must begin with https://, or http:// and this machine");
        return NULL;
    }
    mlx_alert_routes_t *self = mlx_alloc(1, sizeof *self);
    self->loop = loop;
    self->http = mlx_http_new(loop);
    self->config = mlx_value_copy(config);
    self->problem = problem;
    self->arg = arg;
    return self;
}

static void drop(delivery_t *delivery)
{
    mlx_alert_routes_t *self = delivery->routes;
    MLX_UNLINK(&self->first, delivery);
    self->count--;
    mlx_loop_cancel(self->loop, &delivery->again);
    if (delivery->call)
        mlx_http_abort(self->http, &delivery->call);
    for (size_t i = 0; i < MLX_COUNT(delivery->headers); i++)
        free(delivery->headers[i]);
    free(delivery->body);
    free(delivery);
}

void mlx_alert_routes_destroy(mlx_alert_routes_t **self_p)
{
    mlx_alert_routes_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (delivery_t *delivery = self->first, *next; delivery; delivery = next) {
        next = delivery->next;
        drop(delivery);
    }
    mlx_http_destroy(&self->http);
    mlx_value_destroy(&self->config);
    free(self);
}

static void start(void *arg);

/*  Until the next try: longer each time, and no sooner than the server asked for. */
static int64_t pause_ms(const delivery_t *delivery, const mlx_http_reply_t *reply)
{
    int64_t own_ms = (int64_t)PAUSE_MS << (delivery->tries - 1);
    int64_t asked_s = reply->status ? mlx_http_retry_after(reply) : -1;
    return asked_s * 1000 > own_ms ? asked_s * 1000 : own_ms;
}

static void on_reply(void *arg, const mlx_http_reply_t *reply)
{
    delivery_t *delivery = arg;
    mlx_alert_routes_t *self = delivery->routes;
    bool refused = reply->status >= 400 && reply->status < 500 && reply->status != 408 &&
                   reply->status != 429; /* the same again would be refused again */
    delivery->call = NULL;
    if (reply->error.code == MLX_OK && reply->status >= 200 && reply->status < 300) {
        drop(delivery);
        return;
    }
    if (++delivery->tries < MLX_ALERT_TRIES && !refused) {
        delivery->again = mlx_loop_after(self->loop, pause_ms(delivery, reply), start, delivery);
        return;
    }
    MLX_CLEANUP(mlx_free_p)
    char *text = reply->status ? mlx_format("an alert was not delivered to the %s route: HTTP %ld",
                                            delivery->kind, reply->status)
                               : mlx_format("an alert was not delivered to the %s route: no answer",
                                            delivery->kind);
    self->problem(self->arg, "route", text);
    drop(delivery);
}

static void start(void *arg)
{
    delivery_t *delivery = arg;
    delivery->again = NULL;
    delivery->call =
        mlx_http_start(delivery->routes->http,
                       &(mlx_http_request_t){.url = delivery->url,
                                             .body = delivery->body,
                                             .body_len = strlen(delivery->body),
                                             .headers = (const char *const *)delivery->headers,
                                             .timeout_ms = TIMEOUT_MS,
                                             .max_body = 65536},
                       on_reply, delivery);
}

static char *json_of(const mlx_value_t *value)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_json_write(&out, value, false);
    return mlx_strdup(mlx_buf_str(&out));
}

/*  RULE is a segment of a topic: nothing of it ends a header. */
static void write_ntfy(delivery_t *delivery, const char *rule, const char *host, bool firing,
                       const char *summary)
{
    delivery->headers[0] = mlx_format("Title: %s: %s", firing ? "Alert" : "Over", rule);
    delivery->headers[1] = mlx_format("Priority: %s", firing ? "high" : "default");
    delivery->headers[2] = mlx_strdup("Content-Type: text/plain; charset=utf-8");
    delivery->body = mlx_format("%s (%s)", summary, host);
}

static void write_body(delivery_t *delivery, const char *rule, const char *host,
                       const mlx_value_t *d)
{
    const char *state = mlx_value_str(d, "state"), *summary = mlx_value_str(d, "summary");
    bool firing = state && strcmp(state, "firing") == 0;
    summary = summary ? summary : rule;
    if (strcmp(delivery->kind, "ntfy") == 0) {
        write_ntfy(delivery, rule, host, firing, summary);
        return;
    }
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *body = NULL;
    if (strcmp(delivery->kind, "slack") == 0) {
        MLX_CLEANUP(mlx_free_p)
        char *text = mlx_format("%s %s on %s: %s", firing ? "Alert" : "Over:", rule, host, summary);
        body = mlx_value_map();
        mlx_value_set_str(body, "text", text);
    } else {
        body = mlx_value_copy(d);
        mlx_value_set_str(body, "rule", rule);
        mlx_value_set_str(body, "host", host);
    }
    delivery->body = json_of(body);
}

void mlx_alert_routes_send(mlx_alert_routes_t *self, const char *rule, const char *host,
                           const mlx_value_t *d)
{
    for (size_t i = 0; i < mlx_value_size(self->config); i++) {
        const mlx_value_t *route = mlx_value_at(self->config, i);
        if (self->count >= MLX_ALERT_WAITING) {
            self->problem(self->arg, "route", "too many alerts are waiting: one was not delivered");
            return;
        }
        delivery_t *delivery = mlx_alloc(1, sizeof *delivery);
        const char *kind = mlx_value_str(route, "kind");
        delivery->routes = self;
        delivery->kind = kind ? kind : "json";
        delivery->url = mlx_value_str(route, "url");
        delivery->next = self->first;
        self->first = delivery;
        self->count++;
        write_body(delivery, rule, host, d);
        start(delivery);
    }
}
