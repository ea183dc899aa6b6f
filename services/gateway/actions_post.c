#include "actions_post.h"

#include <stdlib.h>
#include <string.h>

#include "proto/catalogue.h"

enum {
    JOBS_MAX = 16,
    SOON_MS = 20000,        /* what is looked up */
    BENCH_MS = 4000000,     /* the longest budget of a benchmark, and loading the model */
    CACHE_MS = 24 * 3600000 /* hashing terabytes of a slow disk */
};

/*  What a page may ask for; each by its name in the catalogue. */
static const struct {
    const char *cmd;
    int64_t ms;
} allowed[] = {
    {"alert.silence", SOON_MS}, {"bench.run", BENCH_MS},   {"cache.where", CACHE_MS},
    {"cache.fits", CACHE_MS},   {"cache.dedup", CACHE_MS}, {"cache.link", CACHE_MS},
    {"cache.unlink", CACHE_MS},
};

typedef struct job {
    struct job *next;
    mlx_actions_post_t *owner;
    mlx_httpd_request_t *request;
    const char *cmd; /* of the table above */
    mlx_call_t *call;
} job_t;

struct mlx_actions_post {
    mlx_bus_t *bus;
    job_t *jobs;
    size_t count;
};

mlx_actions_post_t *mlx_actions_post_new(mlx_bus_t *bus)
{
    mlx_actions_post_t *self = mlx_alloc(1, sizeof *self);
    self->bus = bus;
    return self;
}

static void end(job_t *job)
{
    mlx_actions_post_t *self = job->owner;
    MLX_UNLINK(&self->jobs, job);
    self->count--;
    free(job);
}

void mlx_actions_post_destroy(mlx_actions_post_t **self)
{
    if (!*self)
        return;
    while ((*self)->jobs) /* their answers do not come: the bus ends next */
        end((*self)->jobs);
    free(*self);
    *self = NULL;
}

/* ---- what is asked ---- */

static size_t find(const char *cmd)
{
    size_t i = 0;
    while (i < MLX_COUNT(allowed) && (!cmd || strcmp(allowed[i].cmd, cmd) != 0))
        i++;
    return i;
}

static const mlx_catalogue_command_t *catalogued(const char *cmd)
{
    size_t count;
    const mlx_catalogue_command_t *commands = mlx_catalogue_commands(&count);
    while (count > 0 && strcmp(commands->name, cmd) != 0) {
        commands++;
        count--;
    }
    return commands;
}

/*  Copy KEY as the catalogue has it; false: it is something else. */
static bool copy(const mlx_value_t *said, const mlx_field_t *field, mlx_value_t *args)
{
    const char *text = mlx_value_str(said, field->key);
    int64_t whole;
    double real;
    bool flag;
    if (field->type == MLX_STR && text)
        mlx_value_set_str(args, field->key, text);
    else if (field->type == MLX_INT && mlx_value_int(said, field->key, &whole))
        mlx_value_set_int(args, field->key, whole);
    else if (field->type == MLX_REAL && mlx_value_real(said, field->key, &real))
        mlx_value_set_real(args, field->key, real);
    else if (field->type == MLX_BOOL && mlx_value_bool(said, field->key, &flag))
        mlx_value_set_bool(args, field->key, flag);
    else
        return false;
    return true;
}

/*  The arguments of COMMAND, each of its type. Caller owns them. NULL with ERR. */
static mlx_value_t *read_args(const mlx_value_t *said, const mlx_catalogue_command_t *command,
                              mlx_error_t *err)
{
    mlx_value_t *args = mlx_value_map();
    for (size_t i = 0; i < mlx_value_size(said); i++) {
        const char *key = mlx_value_key(said, i);
        const mlx_field_t *field = mlx_field_find(command->args, key);
        if (strcmp(key, "do") != 0 && (!field || !copy(said, field, args))) {
            mlx_error_set(err, MLX_ERR_USAGE, "%s does not take this \"%.40s\"", command->name,
                          key);
            mlx_error_hint(err, "see `mlxctl topics --json`");
            mlx_value_destroy(&args);
            return NULL;
        }
    }
    return args;
}

/* ---- what comes of it ---- */

static void on_answer(void *arg, mlx_reply_t kind, const mlx_value_t *value, const mlx_error_t *err)
{
    job_t *job = arg;
    if (kind == MLX_REPLY_PROGRESS)
        return; /* the page hears it as a message of the bus */
    if (kind == MLX_REPLY_DONE)
        mlx_httpd_reply_json(job->request, value);
    else
        mlx_httpd_error(job->request, err);
    end(job);
}

static void start(mlx_actions_post_t *self, mlx_httpd_request_t *request, size_t which,
                  const mlx_catalogue_command_t *command, const mlx_value_t *args)
{
    job_t *job = mlx_alloc(1, sizeof *job);
    *job =
        (job_t){.next = self->jobs, .owner = self, .request = request, .cmd = allowed[which].cmd};
    self->jobs = job;
    self->count++;
    job->call = mlx_bus_call(self->bus, command->service, command->name, args, allowed[which].ms,
                             on_answer, job);
}

static void cancel(mlx_actions_post_t *self, mlx_httpd_request_t *request, const char *what)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *answer = mlx_value_map();
    int64_t count = 0;
    for (const job_t *job = self->jobs; job; job = job->next)
        if (what && strcmp(job->cmd, what) == 0) {
            mlx_bus_cancel(self->bus, job->call);
            count++;
        }
    mlx_value_set_int(answer, "cancelled", count);
    mlx_httpd_reply_json(request, answer);
}

void mlx_actions_post_take(mlx_actions_post_t *self, mlx_httpd_request_t *request,
                           const mlx_value_t *said)
{
    const char *cmd = mlx_value_str(said, "do");
    size_t which = find(cmd);
    mlx_error_t err = {0};
    if (cmd && strcmp(cmd, "cancel") == 0) {
        cancel(self, request, mlx_value_str(said, "what"));
        return;
    }
    if (which == MLX_COUNT(allowed))
        mlx_error_set(&err, MLX_ERR_USAGE, "\"do\" names nothing that a page can ask for");
    else if (self->count >= JOBS_MAX)
        mlx_error_set(&err, MLX_ERR_BUSY, "%d commands are under way", JOBS_MAX);
    const mlx_catalogue_command_t *command = err.code ? NULL : catalogued(cmd);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *args = command ? read_args(said, command, &err) : NULL;
    if (args)
        start(self, request, which, command, args);
    else
        mlx_httpd_error(request, &err);
}
