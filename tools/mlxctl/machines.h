/*  machines.h - which machines a command shows: --host NAME, --all, or else this one
 *
 *      mlx_machines_t machines;
 *      if (mlx_machines_choose(&ctl, args, &machines, &err)) ...
 *      if (mlx_machines_has(&machines, message->host)) ...
 */
#ifndef MLX_TOOLS_MLXCTL_MACHINES_H
#define MLX_TOOLS_MLXCTL_MACHINES_H

#include "ctl.h"

/*  The two options, for the table of a command. */
#define MLX_MACHINE_OPTIONS                                                                        \
    {.name = "host", .value = "NAME", .help = "Of the machine NAME.", .complete = "host"},         \
    {                                                                                              \
        .name = "all", .help = "Of all machines."                                                  \
    }

typedef struct {
    const char *host; /* borrowed; NULL: all machines */
    bool named;       /* by --host */
    bool own;         /* it is this machine, or all are meant and this is one of them */
} mlx_machines_t;

/*  What ARGS ask for, with CTL connected. 0, or -1 with ERR: both options are given. */
int mlx_machines_choose(mlx_ctl_t *ctl, const mlx_args_t *args, mlx_machines_t *out,
                        mlx_error_t *err);

/*  Is HOST (NULL: this machine) among them? */
bool mlx_machines_has(const mlx_machines_t *self, const char *host);

/*  Is the machine that --host names heard on the bus, or none named? 0, or -1 with ERR (no such
 *  thing), which names those that are. */
int mlx_machines_check(mlx_ctl_t *ctl, const mlx_machines_t *self, mlx_error_t *err);

/*  For what each machine keeps for itself: refuses all but this one. WHAT: "energy is settled". */
int mlx_machines_only_own(const mlx_machines_t *self, const char *what, const char *command,
                          mlx_error_t *err);

/*  Append to LIST what lives under PREFIX (finding., alert.) of the other machines among them, as
 *  {host, t, KEY: rest of the topic, ...}. 0, or -1 with ERR. */
int mlx_machines_others(mlx_ctl_t *ctl, const mlx_machines_t *self, const char *prefix,
                        const char *key, mlx_value_t *list, mlx_error_t *err);

#endif
