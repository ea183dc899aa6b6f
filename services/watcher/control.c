#include "control.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "proto/json.h"
#include "target_parts.h"

enum {
    TIMEOUT_MS = 600000, /* a model of hundreds of gigabytes from a slow disk */
    BODY_MAX = 1 << 20,
    LOOK_TIMEOUT_MS = 5000,
};

/*  What is asked of a kind for each command: POST PATH, in which %s is the model's name. */
static const struct {
    const char *kind;
    const char *cmd;
    const char *path;
    const char *key;     /* of the body, that has the model's name; NULL: no body */
    const int64_t *keep; /* keep_alive; NULL: none is sent */
    bool router;         /* only of one that is a router */
    bool list;           /* the name is in a list of names */
    bool quiet;          /* {"stream": false} belongs to it */
} asks[] = {
    {"ollama", "model.load", "/api/generate", "model", NULL, false, false, true},
    {"ollama", "model.unload", "/api/generate", "model", &(const int64_t){0}, false, false, true},
    {"ollama", "model.pin", "/api/generate", "model", &(const int64_t){-1}, false, false, true},
    {"llamacpp", "model.load", "/models/load", "model", NULL, true, false, false},
    {"llamacpp", "model.unload", "/models/unload", "model", NULL, true, false, false},
    {"lmstudio", "model.load", "/api/v1/models/load", "model", NULL, false, false, false},
    {"lmstudio", "model.unload", "/api/v1/models/unload", "instance_id", NULL, false, false, false},
    {"llamaswap", "model.unload", "/api/models/unload/%s", NULL, NULL, false, false, false},
    {"omlx", "model.load", "/v1/models/%s/load", NULL, NULL, false, false, false},
    {"omlx", "model.unload", "/v1/models/%s/unload", NULL, NULL, false, false, false},
    {"dmr", "model.unload", "/engines/unload", "models", NULL, false, true, false},
    {"localai", "model.load", "/backend/load", "model", NULL, false, false, false},
    {"localai", "model.unload", "/backend/shutdown", "model", NULL, false, false, false},
};

typedef struct {
    mlx_control_fn fn;
    void *arg;
    mlx_control_scene_t scene;
    mlx_value_t *args;
    const char *cmd; /* static */
    bool looked;     /* what is loaded was asked for again */
    size_t pending;  /* answers to that */
    char *model;
    char *kind;
    char *endpoint;
    char *url;
    const mlx_runtime_backend_t *backend;
    const mlx_runtime_keys_t *keys;
} job_t;

static void end(job_t *job, const mlx_value_t *result, const mlx_error_t *err)
{
    job->fn(job->arg, result, err);
    mlx_value_destroy(&job->args);
    free(job->model);
    free(job->kind);
    free(job->endpoint);
    free(job->url);
    free(job);
}

/*  Names with and without ":latest" are one. */
static bool same_name(const char *a, const char *b)
{
    static const char tag[] = ":latest";
    size_t la = strlen(a), lb = strlen(b), t = strlen(tag);
    if (la > t && strcmp(a + la - t, tag) == 0)
        la -= t;
    if (lb > t && strcmp(b + lb - t, tag) == 0)
        lb -= t;
    return la == lb && memcmp(a, b, la) == 0;
}

static const mlx_value_t *named(const mlx_value_t *list, const char *model)
{
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const char *name = mlx_value_str(mlx_value_at(list, i), "name");
        if (name && same_name(name, model))
            return mlx_value_at(list, i);
    }
    return NULL;
}

static bool is_meant(const mlx_target_t *target, const char *runtime)
{
    return !runtime || strcmp(runtime, target->backend->kind) == 0 ||
           strcmp(runtime, target->options.endpoint.url) == 0 ||
           strcmp(runtime, target->options.endpoint.segment) == 0;
}

/*  Which of the table's rows TARGET is asked with, or -1: it cannot do CMD. */
static int ask_of(const mlx_target_t *target, const char *cmd)
{
    for (size_t i = 0; i < MLX_COUNT(asks); i++)
        if (target->backend && strcmp(asks[i].kind, target->backend->kind) == 0 &&
            strcmp(asks[i].cmd, cmd) == 0 && (!asks[i].router || target->state.router))
            return (int)i;
    return -1;
}

mlx_value_t *mlx_control_can(const mlx_target_t *target)
{
    static const char *const commands[] = {"model.load", "model.unload", "model.pin"};
    mlx_value_t *list = NULL;
    for (size_t i = 0; i < MLX_COUNT(commands); i++) {
        if (ask_of(target, commands[i]) < 0)
            continue;
        list = list ? list : mlx_value_list();
        mlx_value_append(list, mlx_value_new_str(strchr(commands[i], '.') + 1));
    }
    return list;
}

/*  Only what is loaded can be unloaded; a server that lists what it has loads nothing else. */
static bool has(const mlx_target_t *target, const char *cmd, const char *model)
{
    if (strcmp(cmd, "model.unload") == 0)
        return named(target->state.models, model) != NULL;
    return !target->state.available || named(target->state.available, model) != NULL;
}

/*  The one runtime that is meant; NULL with ERR. */
static mlx_target_t *choose(const mlx_control_scene_t *scene, const char *cmd, const char *model,
                            const char *runtime, mlx_error_t *err)
{
    mlx_target_t *chosen = NULL;
    size_t able = 0, found = 0;
    for (size_t i = 0; i < scene->count; i++) {
        mlx_target_t *target = scene->targets[i];
        if (!target->reachable || ask_of(target, cmd) < 0 || !is_meant(target, runtime))
            continue;
        able++;
        if (has(target, cmd, model) && found++ == 0)
            chosen = target;
    }
    if (found == 1)
        return chosen;
    if (found > 1) {
        mlx_error_set(err, MLX_ERR_USAGE, "%zu runtimes have the model %s", found, model);
        mlx_error_hint(err, "name one with --runtime: its kind or its URL");
        return NULL;
    }
    if (able == 0)
        mlx_error_set(err, MLX_ERR_UNAVAILABLE, "no reachable runtime supports that%s%s",
                      runtime ? " and is called " : "", runtime ? runtime : "");
    else
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "no runtime has the model %s", model);
    mlx_error_hint(err, "`mlxctl models` shows what is loaded and available");
    return NULL;
}

static bool works_on(const mlx_activity_t *activity, const char *model)
{
    for (size_t i = 0; i < activity->list_count; i++)
        if (!activity->list[i].model || same_name(activity->list[i].model, model))
            return true;
    return activity->available && activity->requests > 0 && activity->list_count == 0;
}

/*  Whether TARGET may be at work on MODEL: it or the tap says so, or does not say on which. */
static bool at_work(const mlx_target_t *target, const char *model, const mlx_activity_t *tap)
{
    mlx_activity_t own;
    int64_t now_us = mlx_now_us();
    if (target->runner)
        mlx_runner_activity(target->runner, now_us, &own);
    else
        mlx_slots_activity(target->slots, now_us, now_us, &own);
    return works_on(&own, model) || (tap && works_on(tap, model)) || mlx_meter_busy(&target->meter);
}

static void on_reply(void *arg, const mlx_http_reply_t *reply)
{
    job_t *job = arg;
    mlx_error_t err = reply->error;
    char advice[MLX_RUNTIME_ADVICE_MAX];
    if (!err.code && mlx_runtime_wants_key(job->backend, "", reply->status, reply->body)) {
        mlx_runtime_keys_advice(job->keys, job->url, advice, sizeof advice);
        mlx_error_set(&err, MLX_ERR_UNAVAILABLE, "%s %s", job->url, advice);
    } else if (!err.code && reply->status != 200)
        mlx_error_set(&err, reply->status == 404 ? MLX_ERR_NOT_FOUND : MLX_ERR_FAILED,
                      "%s refused with HTTP %ld: %.200s", job->kind, reply->status, reply->body);
    mlx_runtime_keys_hide(job->keys, job->url, err.text);
    for (size_t i = 0; i < job->scene.count; i++) /* what is loaded has changed */
        if (job->scene.targets[i]->reachable &&
            strcmp(job->scene.targets[i]->options.endpoint.url, job->url) == 0)
            mlx_target_poll_now(job->scene.targets[i]);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = mlx_value_map();
    mlx_value_set_str(result, "model", job->model);
    mlx_value_set_str(result, "runtime", job->kind);
    mlx_value_set_str(result, "endpoint", job->endpoint);
    end(job, err.code ? NULL : result, &err);
}

/*  NAME as a part of a path: its slashes stay. Caller owns it. */
static char *in_path(const char *name)
{
    mlx_buf_t out = {0};
    for (const char *c = name; *c; c++)
        if (isalnum((unsigned char)*c) || strchr("-._~/:@", *c))
            mlx_buf_append(&out, c, 1);
        else
            mlx_buf_printf(&out, "%%%02X", (unsigned)(unsigned char)*c);
    return mlx_buf_take(&out);
}

static void write_body(int row, const char *model, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *body = mlx_value_map();
    const char *key = asks[row].key;
    if (key && asks[row].list)
        mlx_value_append(mlx_value_set(body, key, mlx_value_list()), mlx_value_new_str(model));
    else if (key)
        mlx_value_set_str(body, key, model);
    if (asks[row].quiet)
        mlx_value_set_bool(body, "stream", false);
    if (asks[row].keep)
        mlx_value_set_int(body, "keep_alive", *asks[row].keep);
    mlx_json_write(out, body, false);
}

static void start(job_t *job, mlx_target_t *target, int row)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    MLX_CLEANUP(mlx_free_p) char *name = in_path(job->model);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t url = {0};
    const char *path = asks[row].path, *hole = strstr(path, "%s");
    mlx_buf_puts(&url, target->options.endpoint.url);
    mlx_buf_append(&url, path, hole ? (size_t)(hole - path) : strlen(path));
    if (hole)
        mlx_buf_printf(&url, "%s%s", name, hole + 2);
    job->backend = target->backend;
    job->url = mlx_strdup(target->options.endpoint.url);
    job->kind = mlx_strdup(target->backend->kind);
    job->endpoint = mlx_strdup(target->options.endpoint.segment);
    write_body(row, job->model, &text);
    mlx_http_request_t request = {.url = mlx_buf_str(&url),
                                  .body = mlx_buf_str(&text),
                                  .body_len = text.len,
                                  .timeout_ms = TIMEOUT_MS,
                                  .max_body = BODY_MAX};
    mlx_http_start(job->scene.http, &request, on_reply, job);
}

/* ---- what is loaded at this moment ---- */

typedef struct {
    job_t *job;
    mlx_target_t *const *place; /* a target may be replaced meanwhile */
    mlx_target_t *target;
    const mlx_runtime_query_t *query;
} look_t;

static void decide(job_t *job);

static void on_looked(void *arg, const mlx_http_reply_t *reply)
{
    look_t *look = arg;
    job_t *job = look->job;
    if (reply->status == 200 && *look->place == look->target && look->target->reachable)
        look->query->parse(reply->body, reply->body_len, &look->target->state, NULL);
    free(look);
    if (--job->pending == 0)
        decide(job);
}

static void look_at(job_t *job, mlx_target_t *const *place, const mlx_runtime_query_t *query)
{
    look_t *look = mlx_alloc(1, sizeof *look);
    *look = (look_t){job, place, *place, query};
    MLX_CLEANUP(mlx_free_p)
    char *url = mlx_format("%s%s", (*place)->options.endpoint.url, query->path);
    job->pending++;
    mlx_http_start(job->scene.http,
                   &(mlx_http_request_t){
                       .url = url, .timeout_ms = LOOK_TIMEOUT_MS, .max_body = query->max_body},
                   on_looked, look);
}

/*  Ask those that could do it what they have: it may be newer than the last look. */
static void look_again(job_t *job)
{
    job->looked = true;
    job->pending = 1;
    for (size_t i = 0; i < job->scene.count; i++) {
        mlx_target_t *const *place = &job->scene.targets[i];
        if (!(*place)->reachable || ask_of(*place, job->cmd) < 0)
            continue;
        for (size_t q = 0; q < (*place)->ask_count; q++)
            if ((*place)->asks[q].query->role != MLX_QUERY_ACTIVITY &&
                !(*place)->asks[q].query->disturbs)
                look_at(job, place, (*place)->asks[q].query);
    }
    if (--job->pending == 0)
        decide(job);
}

/*  An error in ERR, or the one that is meant. */
static mlx_target_t *meant(const job_t *job, mlx_error_t *err)
{
    bool force = false;
    mlx_value_bool(job->args, "force", &force);
    mlx_target_t *target =
        choose(&job->scene, job->cmd, job->model, mlx_value_str(job->args, "runtime"), err);
    if (!target || force || strcmp(job->cmd, "model.unload") != 0 ||
        !at_work(target, job->model, target == job->scene.tapped ? job->scene.tap : NULL))
        return target;
    mlx_error_set(err, MLX_ERR_BUSY, "%s is working on a request", job->model);
    mlx_error_hint(err, "wait for it, or add --force");
    return NULL;
}

static void decide(job_t *job)
{
    mlx_error_t err = {0};
    mlx_target_t *target = meant(job, &err);
    if (target)
        start(job, target, ask_of(target, job->cmd));
    else if (err.code == MLX_ERR_NOT_FOUND && !job->looked)
        look_again(job);
    else
        end(job, NULL, &err);
}

void mlx_control_run(const mlx_control_scene_t *scene, const char *cmd, const mlx_value_t *args,
                     mlx_control_fn fn, void *arg)
{
    const char *model = mlx_value_str(args, "model");
    mlx_error_t err = {0};
    job_t *job = mlx_alloc(1, sizeof *job);
    *job = (job_t){.fn = fn,
                   .arg = arg,
                   .scene = *scene,
                   .args = mlx_value_copy(args),
                   .model = mlx_strdup(model ? model : ""),
                   .keys = scene->keys};
    for (size_t i = 0; i < MLX_COUNT(asks); i++)
        if (strcmp(asks[i].cmd, cmd) == 0)
            job->cmd = asks[i].cmd;
    if (!job->cmd)
        mlx_error_set(&err, MLX_ERR_USAGE, "no such command: %.100s", cmd);
    else if (!model || !*model)
        mlx_error_set(&err, MLX_ERR_USAGE, "\"model\" is missing");
    if (err.code)
        end(job, NULL, &err);
    else
        decide(job);
}
