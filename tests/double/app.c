#include "tests/double/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "tests/double/http_out.h"

enum {
    DEEP = 100000,
    LOG_BYTES = 1 << 20, /* the log stops there */
};
static const uint64_t HUGE_BODY = 1000000000ULL;
static const int64_t REFUSAL_NS = 2000000000LL;

static const mlx_role_t *const ROLES[] = {&mlx_role_ollama, &mlx_role_llama, &mlx_role_vllm,
                                          &mlx_role_openai};

const mlx_role_t *mlx_role_find(const char *name)
{
    for (size_t i = 0; i < MLX_COUNT(ROLES); i++) {
        if (strcmp(ROLES[i]->name, name) == 0)
            return ROLES[i];
    }
    return NULL;
}

double mlx_app_random(mlx_app_t *self)
{
    self->random ^= self->random << 13;
    self->random ^= self->random >> 7;
    self->random ^= self->random << 17;
    return (double)(self->random >> 11) / (double)(1ULL << 53);
}

mlx_model_t *mlx_app_model(mlx_app_t *self, const char *name)
{
    char full[128];
    snprintf(full, sizeof(full), "%.100s%s", name, strchr(name, ':') ? "" : ":latest");
    for (size_t i = 0; i < self->model_count; i++) {
        if (strcmp(self->models[i]->name, full) == 0)
            return self->models[i];
    }
    return NULL;
}

void mlx_app_child_ended(mlx_app_t *self, pid_t pid)
{
    for (size_t i = 0; i < self->model_count; i++)
        mlx_model_runner_ended(self->models[i], pid);
}

/*  The double's own pages */

static void page_stats(mlx_app_t *self, mlx_conn_t *conn)
{
    const mlx_net_stats_t *net = mlx_net_stats(self->net);
    mlx_reply_json(conn, 200,
                   "{\"requests\":%lld,\"connections\":%lld,\"aborted\":%lld,\"bytes_in\":%lld,"
                   "\"bytes_out\":%lld,\"generations\":%lld,\"stopped\":%lld,\"generating\":%d,"
                   "\"tokens\":%lld,\"wakes\":%lld,\"asleep\":%d}",
                   (long long)net->requests, (long long)net->connections, (long long)net->aborted,
                   (long long)net->bytes_in, (long long)net->bytes_out,
                   (long long)self->generations, (long long)self->stopped, self->generating,
                   (long long)self->tokens, (long long)self->wakes, mlx_app_sleeps(self));
}

static void page_fault(mlx_app_t *self, mlx_conn_t *conn, const mlx_value_t *body)
{
    const char *name = mlx_value_str(body, "name");
    int64_t count = 1;
    mlx_error_t err = {0};
    mlx_value_int(body, "count", &count);
    if (mlx_fault_parse(&self->fault, name ? name : "", count, &err))
        mlx_reply_json(conn, 400, "{\"error\":\"no such fault\"}");
    else
        mlx_reply_json(conn, 200, "{\"ok\":true}");
}

bool mlx_app_sleeps(mlx_app_t *self)
{
    int64_t now = mlx_net_now(self->net);
    if (self->generating > 0)
        self->used = now;
    if (self->options.sleep_ns && now - self->used >= self->options.sleep_ns)
        self->asleep = true;
    return self->asleep;
}

/*  As in llama-server: what is not one of these counts as use, unknown paths apart. */
static void note_use(mlx_app_t *self, const mlx_net_request_t *request)
{
    static const char *const uses[] = {"/slots", "/metrics", "/v1/chat/completions",
                                       "/v1/completions"};
    bool asleep = mlx_app_sleeps(self);
    for (size_t i = 0; i < MLX_COUNT(uses); i++) {
        if (strcmp(uses[i], request->path) != 0)
            continue;
        self->wakes += asleep;
        self->asleep = false;
        self->used = mlx_net_now(self->net);
    }
}

static bool own_page(mlx_app_t *self, mlx_conn_t *conn, const mlx_net_request_t *request)
{
    if (strncmp(request->path, "/double/", 8) != 0)
        return false;
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *body = mlx_json_parse(request->body, request->body_len, NULL);
    if (strcmp(request->path, "/double/stats") == 0)
        page_stats(self, conn);
    else if (strcmp(request->path, "/double/log") == 0)
        mlx_net_reply(conn, 200, "text/plain", mlx_buf_str(&self->log), self->log.len);
    else if (strcmp(request->path, "/double/fault") == 0 && body)
        page_fault(self, conn, body);
    else
        mlx_reply_json(conn, 404, "{\"error\":\"no such page\"}");
    return true;
}

/*  Faults that stand in for the reply */

static void end_refusal(void *arg, int64_t now)
{
    mlx_app_t *self = arg;
    mlx_error_t err = {0};
    (void)now;
    if (mlx_net_accept_again(self->net, &err) < 0)
        mlx_error_report("mlx-ollama-double", &err);
}

static void reply_deep(mlx_conn_t *conn)
{
    char *body = mlx_alloc(1, DEEP);
    memset(body, '[', DEEP / 2);
    memset(body + DEEP / 2, ']', DEEP / 2);
    mlx_net_reply(conn, 200, MLX_TYPE_JSON, body, DEEP);
    free(body);
}

/*  true: the fault has answered, or never will. Other faults alter the true reply (net.c). */
static bool fault_answers(mlx_app_t *self, mlx_conn_t *conn, mlx_fault_kind_t kind)
{
    static const char GARBAGE[] = "\x16\x03\x01\x02\x00\xff\xfe <?not http?>\r\n\r\n\x00\x01";
    switch (kind) {
    case MLX_FAULT_GARBAGE:
        mlx_net_raw(conn, GARBAGE, sizeof(GARBAGE) - 1);
        return true;
    case MLX_FAULT_HUGE:
        mlx_net_flood(conn, "{\"models\":[", HUGE_BODY);
        return true;
    case MLX_FAULT_HANG:
        return true;
    case MLX_FAULT_REFUSE:
        mlx_net_refuse(self->net);
        mlx_net_timer_set(self->refusal, mlx_net_now(self->net) + REFUSAL_NS);
        mlx_net_raw(conn, "", 0);
        return true;
    case MLX_FAULT_STATUS:
        mlx_reply_json(conn, 500, "{\"error\":\"llama runner process has terminated\"}");
        return true;
    case MLX_FAULT_DEEP:
        reply_deep(conn);
        return true;
    default:
        return false;
    }
}

/*  Requests */

static void answer(mlx_app_t *self, mlx_conn_t *conn, const mlx_net_request_t *request,
                   const mlx_route_t *route)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *body = NULL;
    if (strcmp(request->method, "POST") != 0) {
        body = mlx_value_map();
    } else {
        body = mlx_json_parse(request->body, request->body_len, NULL);
        if (mlx_value_type(body) != MLX_MAP) {
            self->role->bad_json(conn, request->body, request->body_len);
            return;
        }
    }
    route->fn(self, conn, body);
}

static void on_request(void *arg, mlx_conn_t *conn, const mlx_net_request_t *request)
{
    mlx_app_t *self = arg;
    if (own_page(self, conn, request))
        return;
    if (self->log.len < LOG_BYTES)
        mlx_buf_printf(&self->log, "%s %s\n", request->method, request->path);
    note_use(self, request);
    mlx_fault_t fault = mlx_fault_take(&self->fault);
    mlx_net_set_fault(conn, fault);
    if (fault_answers(self, conn, fault.kind))
        return;
    for (const mlx_route_t *route = self->role->routes; route->method; route++) {
        if (strcmp(route->method, request->method) == 0 &&
            strcmp(route->path, request->path) == 0) {
            answer(self, conn, request, route);
            return;
        }
    }
    self->role->not_found(conn);
}

mlx_app_t *mlx_app_new(const mlx_app_options_t *options, const mlx_role_t *role,
                       const char *const *names, size_t count)
{
    mlx_app_t *self = mlx_alloc(1, sizeof(*self));
    self->options = *options;
    self->role = role;
    self->random = 0x9e3779b97f4a7c15ULL;
    self->model_path = "model.gguf";
    self->net = mlx_net_new(on_request, self);
    self->used = mlx_net_now(self->net);
    mlx_net_set_head(self->net, role->head, role->old);
    self->refusal = mlx_net_timer_new(self->net, end_refusal, self);
    self->words = mlx_words_new();
    for (size_t i = 0; i < count && i < MLX_APP_MAX_MODELS; i++)
        self->models[self->model_count++] = mlx_model_new(self, names[i]);
    for (size_t i = role->single; count == 0 && mlx_model_recorded(i); i++)
        self->models[self->model_count++] = mlx_model_new(self, mlx_model_recorded(i)->name);
    return self;
}

void mlx_app_destroy(mlx_app_t **self)
{
    if (!*self)
        return;
    for (size_t i = 0; i < (*self)->model_count; i++)
        mlx_model_destroy(&(*self)->models[i]);
    mlx_buf_clear(&(*self)->log);
    mlx_net_timer_destroy(&(*self)->refusal);
    mlx_words_destroy(&(*self)->words);
    mlx_net_destroy(&(*self)->net);
    free(*self);
    *self = NULL;
}
