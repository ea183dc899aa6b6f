#include "models_post.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"

enum {
    WORK_MS = 600000, /* a model of hundreds of gigabytes from a slow disk */
    SETTLE_MS = 2500, /* until the sensors have seen what it changed */
    JOBS_MAX = 16,
};

typedef struct job {
    struct job *next;
    mlx_models_post_t *owner;
    mlx_httpd_request_t *request;
    double before;       /* bytes in use; NaN: no sensor says */
    mlx_value_t *result; /* NULL: not yet there */
    mlx_timer_t *settle;
} job_t;

struct mlx_models_post {
    mlx_models_post_options_t options;
    job_t *jobs;
    size_t count;
};

mlx_models_post_t *mlx_models_post_new(const mlx_models_post_options_t *options)
{
    mlx_models_post_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    return self;
}

static void end(job_t *job)
{
    mlx_models_post_t *self = job->owner;
    MLX_UNLINK(&self->jobs, job);
    self->count--;
    mlx_loop_cancel(self->options.loop, &job->settle);
    mlx_value_destroy(&job->result);
    free(job);
}

void mlx_models_post_destroy(mlx_models_post_t **self)
{
    if (!*self)
        return;
    while ((*self)->jobs)
        end((*self)->jobs);
    free(*self);
    *self = NULL;
}

/* ---- what is asked ---- */

static const char *command_of(const char *what)
{
    static const char *const commands[] = {"model.load", "model.unload", "model.pin"};
    for (size_t i = 0; what && i < MLX_COUNT(commands); i++)
        if (strcmp(strchr(commands[i], '.') + 1, what) == 0)
            return commands[i];
    return NULL;
}

/*  The command, and its arguments into ARGS; NULL with ERR. */
static const char *read_body(const mlx_value_t *said, mlx_value_t *args, mlx_error_t *err)
{
    bool force = false;
    const char *cmd = command_of(mlx_value_str(said, "do")), *model = mlx_value_str(said, "model");
    if (!cmd)
        mlx_error_set(err, MLX_ERR_USAGE, "\"do\" must be load, unload or pin");
    else if (!model || !*model)
        mlx_error_set(err, MLX_ERR_USAGE, "which model? Give \"model\"");
    mlx_value_set_str(args, "model", model);
    mlx_value_set_str(args, "runtime", mlx_value_str(said, "runtime"));
    if (mlx_value_bool(said, "force", &force) && force)
        mlx_value_set_bool(args, "force", true);
    return err->code ? NULL : cmd;
}

/* ---- what comes of it ---- */

static double memory_used(const mlx_models_post_t *self)
{
    return mlx_overview_headline(self->options.overview, mlx_wall_us()).memory_used;
}

static void on_settled(void *arg)
{
    job_t *job = arg;
    job->settle = NULL;
    mlx_value_set_real(job->result, "memory_before", job->before);
    mlx_value_set_real(job->result, "memory_after", memory_used(job->owner));
    mlx_httpd_reply_json(job->request, job->result);
    end(job);
}

static void on_answer(void *arg, mlx_reply_t kind, const mlx_value_t *value, const mlx_error_t *err)
{
    job_t *job = arg;
    if (kind == MLX_REPLY_PROGRESS)
        return;
    if (kind == MLX_REPLY_DONE) {
        job->result = mlx_value_copy(value);
        job->settle = mlx_loop_after(job->owner->options.loop, SETTLE_MS, on_settled, job);
        return;
    }
    mlx_httpd_error(job->request, err);
    end(job);
}

void mlx_models_post_take(mlx_models_post_t *self, mlx_httpd_request_t *request,
                          const mlx_value_t *said)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *args = mlx_value_map();
    mlx_error_t err = {0};
    const char *cmd = read_body(said, args, &err);
    if (cmd && self->count >= JOBS_MAX)
        mlx_error_set(&err, MLX_ERR_BUSY, "%d models are being loaded or unloaded", JOBS_MAX);
    if (err.code) {
        mlx_httpd_error(request, &err);
        return;
    }
    job_t *job = mlx_alloc(1, sizeof *job);
    *job =
        (job_t){.next = self->jobs, .owner = self, .request = request, .before = memory_used(self)};
    self->jobs = job;
    self->count++;
    mlx_bus_call(self->options.bus, "watcher", cmd, args, WORK_MS, on_answer, job);
}
