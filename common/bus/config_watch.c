#include "common/bus/config_watch.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/config_yaml.h"
#include "common/base/file.h"
#include "common/base/paths.h"

struct mlx_config_watch {
    const mlx_config_t *running;
    const char *program;
    const char *service;
    char *path;
    mlx_config_reopen_fn reopen;
    void *arg;
    char *seen; /* at the last look: the text, or why there was none; NULL before the first */
    bool readable;
    char *reason; /* or NULL */
};

mlx_config_watch_t *mlx_config_watch_new(const mlx_config_t *running, const char *program,
                                         const char *service, const char *path,
                                         mlx_config_reopen_fn reopen, void *arg)
{
    mlx_config_watch_t *self = mlx_alloc(1, sizeof *self);
    *self =
        (mlx_config_watch_t){.running = running,
                             .program = program,
                             .service = service,
                             .path = path ? mlx_strdup(path) : mlx_paths_config_file(NULL, NULL),
                             .reopen = reopen,
                             .arg = arg};
    return self;
}

void mlx_config_watch_destroy(mlx_config_watch_t **self_p)
{
    mlx_config_watch_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    free(self->path);
    free(self->seen);
    free(self->reason);
    free(self);
}

/*  What a restart would do; NULL: nothing. */
static char *compare(const mlx_config_watch_t *self)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_config_destroy) mlx_config_t *now = self->reopen(self->arg, &err);
    if (!now)
        return mlx_format(
            "the settings read at start stay in use; %s would not start with the file as it is: %s",
            self->service, err.text);
    MLX_CLEANUP(mlx_free_p)
    char *keys = mlx_config_difference(self->running, now, self->program);
    if (!keys)
        return NULL;
    return mlx_format("%s %s: not in use yet: %s; mlxctl services restart %s", self->path,
                      self->readable ? "has changed" : "is gone", keys, self->service);
}

bool mlx_config_watch_look(mlx_config_watch_t *self)
{
    if (!self->path)
        return false;
    mlx_error_t err = {0};
    char *seen = mlx_file_read(self->path, MLX_YAML_MAX_BYTES, NULL, &err);
    bool readable = seen != NULL;
    if (!readable)
        seen = mlx_strdup(err.text);
    bool same = self->seen && readable == self->readable && strcmp(seen, self->seen) == 0;
    free(self->seen);
    self->seen = seen;
    self->readable = readable;
    if (same)
        return false;
    char *reason = compare(self), *before = self->reason;
    bool news = !reason != !before || (reason && strcmp(reason, before) != 0);
    self->reason = reason;
    free(before);
    return news;
}

const char *mlx_config_watch_reason(const mlx_config_watch_t *self)
{
    return self->reason;
}
