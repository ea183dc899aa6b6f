/*  ctl.h - what the commands of mlxctl share: configuration, a connection, output */
#ifndef MLX_TOOLS_MLXCTL_CTL_H
#define MLX_TOOLS_MLXCTL_CTL_H

#include "common/base/config.h"
#include "common/bus/bus.h"
#include "common/cli/args.h"
#include "common/view/overview.h"

typedef struct {
    mlx_config_t *config;
    char *run_dir;
    mlx_loop_t *loop;
    mlx_bus_t *bus;
    mlx_overview_t *vigil; /* see mlx_ctl_watch_bus */
    bool told;
    const char *src; /* set it before connecting to publish under that name; NULL: only listens */
} mlx_ctl_t;

/*  Read the configuration only; make a client of the bus too, whether there is one or not; or
 *  connect (unavailable when there is none, or none that answers). 0, or -1 with ERR; close in any
 *  case. */
int mlx_ctl_configure(mlx_ctl_t *self, const mlx_args_t *args, mlx_error_t *err);
int mlx_ctl_attach(mlx_ctl_t *self, const mlx_args_t *args, mlx_error_t *err);
int mlx_ctl_connect(mlx_ctl_t *self, const mlx_args_t *args, mlx_error_t *err);
void mlx_ctl_close(mlx_ctl_t *self);

/*  For a command that runs long: say on stderr when the bus goes silent, and when it is back. */
void mlx_ctl_watch_bus(mlx_ctl_t *self);

/*  Call and wait for the end of it. Caller owns the result; NULL with ERR. */
mlx_value_t *mlx_ctl_call(mlx_ctl_t *self, const char *service, const char *cmd,
                          const mlx_value_t *args, int64_t timeout_ms, mlx_error_t *err);

/*  Call FN for what the broker remembers now under PREFIX. 0, or -1 with ERR. */
int mlx_ctl_last_values(mlx_ctl_t *self, const char *prefix, int64_t timeout_ms, mlx_message_fn fn,
                        void *arg, mlx_error_t *err);

/*  The same as an overview. Caller owns it; NULL with ERR. */
mlx_overview_t *mlx_ctl_overview(mlx_ctl_t *self, mlx_error_t *err);

/*  Print VALUE as indented JSON on stdout. Returns the exit status. */
int mlx_ctl_print_json(const mlx_value_t *value);

/*  Print TEXT on stdout as the locale can show it. Returns the exit status. */
int mlx_ctl_print_text(const char *text);

/*  Report ERR on stderr. Returns its exit status. */
int mlx_ctl_fail(const mlx_error_t *err);

/*  Append the names of KIND for completion, one a line: "service", "topic", "history", "key",
 *  "model" or "host". */
void mlx_ctl_names(const char *kind, mlx_buf_t *out);

/*  The commands; each returns the exit status. */
int mlx_cmd_status(void *arg, const mlx_args_t *args);
int mlx_cmd_watch(void *arg, const mlx_args_t *args);
int mlx_cmd_top(void *arg, const mlx_args_t *args);
int mlx_cmd_bench(void *arg, const mlx_args_t *args);
int mlx_cmd_services(void *arg, const mlx_args_t *args);
int mlx_cmd_topics(void *arg, const mlx_args_t *args);
int mlx_cmd_tap(void *arg, const mlx_args_t *args);
int mlx_cmd_config(void *arg, const mlx_args_t *args);
int mlx_cmd_history(void *arg, const mlx_args_t *args);
int mlx_cmd_models(void *arg, const mlx_args_t *args);
int mlx_cmd_load(void *arg, const mlx_args_t *args);
int mlx_cmd_unload(void *arg, const mlx_args_t *args);
int mlx_cmd_pin(void *arg, const mlx_args_t *args);
int mlx_cmd_record(void *arg, const mlx_args_t *args);
int mlx_cmd_replay(void *arg, const mlx_args_t *args);
int mlx_cmd_requests(void *arg, const mlx_args_t *args);
int mlx_cmd_doctor(void *arg, const mlx_args_t *args);
int mlx_cmd_alerts(void *arg, const mlx_args_t *args);
int mlx_cmd_energy(void *arg, const mlx_args_t *args);
int mlx_cmd_findings(void *arg, const mlx_args_t *args);
int mlx_cmd_keys(void *arg, const mlx_args_t *args);
int mlx_cmd_skill(void *arg, const mlx_args_t *args);
int mlx_cmd_mcp(void *arg, const mlx_args_t *args);

#endif
