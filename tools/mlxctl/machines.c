#include "machines.h"

#include <string.h>

#include "common/base/clock.h"
#include "fleet_view.h"

int mlx_machines_choose(mlx_ctl_t *ctl, const mlx_args_t *args, mlx_machines_t *out,
                        mlx_error_t *err)
{
    const char *host = mlx_args_value(args, "host"), *own = mlx_bus_host(ctl->bus);
    bool all = mlx_args_count(args, "all") > 0;
    if (host && all)
        return mlx_error_set(err, MLX_ERR_USAGE, "give --host NAME or --all, not both");
    *out = (mlx_machines_t){.host = all ? NULL : host ? host : own, .named = host != NULL};
    out->own = all || strcmp(out->host, own) == 0;
    return 0;
}

bool mlx_machines_has(const mlx_machines_t *self, const char *host)
{
    return !self->host || (host ? strcmp(host, self->host) == 0 : self->own);
}

int mlx_machines_check(mlx_ctl_t *ctl, const mlx_machines_t *self, mlx_error_t *err)
{
    if (!self->named || self->own)
        return 0;
    mlx_overview_t *overview = mlx_ctl_overview(ctl, err);
    int rc = overview ? mlx_fleet_select(overview, self->host, err) : -1;
    mlx_overview_destroy(&overview);
    return rc;
}

int mlx_machines_only_own(const mlx_machines_t *self, const char *what, const char *command,
                          mlx_error_t *err)
{
    if (self->host && self->own)
        return 0;
    mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s on each machine for itself", what);
    return mlx_error_hint(err, "ask there: `ssh %.64s mlxctl %s`",
                          self->host ? self->host : "MACHINE", command);
}

typedef struct {
    const mlx_machines_t *machines;
    const char *own, *key;
    size_t skip;
    mlx_value_t *list;
} others_t;

static void add_other(void *arg, const mlx_message_t *message, int64_t age_us)
{
    const others_t *self = arg;
    (void)age_us;
    if (strcmp(message->host, self->own) == 0 || !mlx_machines_has(self->machines, message->host))
        return;
    mlx_value_t *d = mlx_value_append(self->list, mlx_value_copy(message->d));
    mlx_value_set_str(d, "host", message->host);
    mlx_value_set_int(d, "t", message->t);
    mlx_value_set_str(d, self->key, message->topic + self->skip);
}

int mlx_machines_others(mlx_ctl_t *ctl, const mlx_machines_t *self, const char *prefix,
                        const char *key, mlx_value_t *list, mlx_error_t *err)
{
    if (self->host && self->own)
        return 0;
    mlx_overview_t *overview = mlx_ctl_overview(ctl, err);
    others_t others = {.machines = self,
                       .own = mlx_bus_host(ctl->bus),
                       .key = key,
                       .skip = strlen(prefix),
                       .list = list};
    int rc = !overview || (self->named && mlx_fleet_select(overview, self->host, err)) ? -1 : 0;
    if (rc == 0)
        mlx_overview_each(overview, prefix, mlx_wall_us(), add_other, &others);
    mlx_overview_destroy(&overview);
    return rc;
}
