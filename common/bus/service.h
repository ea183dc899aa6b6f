/*  service.h - the skeleton of every daemon: start-up, loop, bus, health, clean stop
 *
 *  A daemon is a table of functions; main() is one line. The skeleton reads arguments and config,
 *  opens the run directory, connects to the bus, routes SIGTERM and SIGINT to a clean stop, tells
 *  systemd when it is ready (sd_notify), publishes service.<name>.health every 2 seconds and on
 *  change, and counts and logs what goes wrong.
 *
 *      static const mlx_service_spec_t spec = {
 *          .name = "sampler", .summary = "samples sensors", .start = start, .stop = stop};
 *      int main(int argc, char **argv) { return mlx_service_main(argc, argv, &spec); }
 */
#ifndef MLX_COMMON_BUS_SERVICE_H
#define MLX_COMMON_BUS_SERVICE_H

#include "common/base/config.h"
#include "common/base/log.h"
#include "common/bus/bus.h"
#include "common/bus/loop.h"

typedef struct mlx_service mlx_service_t;

typedef struct {
    const char *name;    /* source name on the bus */
    const char *program; /* name of the binary; NULL: "mlx-<name>" */
    const char *summary; /* one line for --help */

    /*  Set up everything and register with the loop; *STATE is passed to the others. 0, or -1 with
     *  ERR: the daemon exits with its code. */
    int (*start)(mlx_service_t *service, void **state, mlx_error_t *err);
    void (*stop)(void **state); /* free and reset; also called after a failed start */

    mlx_serve_fn serve;   /* commands, with the state as ARG; NULL: none */
    mlx_cancel_fn cancel; /* may be NULL */
} mlx_service_spec_t;

/*  Run the daemon until it is told to stop. Returns the exit status. */
int mlx_service_main(int argc, char **argv, const mlx_service_spec_t *spec);

/*  What a daemon works with; all borrowed. */
mlx_loop_t *mlx_service_loop(mlx_service_t *self);
mlx_bus_t *mlx_service_bus(mlx_service_t *self);
const mlx_config_t *mlx_service_config(const mlx_service_t *self);
const char *mlx_service_run_dir(const mlx_service_t *self);

/*  Something from outside was bad, or something failed: count it, show it as last_error in health,
 *  and log it once; repeats of the same KIND (a short fixed text) are only counted and summed up
 *  once a minute. */
void mlx_service_error(mlx_service_t *self, const char *kind, const char *fmt, ...)
    MLX_PRINTF(3, 4);

/*  An event worth a line in the log. */
void mlx_service_info(mlx_service_t *self, const char *fmt, ...) MLX_PRINTF(2, 3);

/*  Report state "degraded" with REASON, or "up" again with NULL. Publishes health at once when it
 *  changes. */
void mlx_service_degraded(mlx_service_t *self, const char *reason);

/*  End the daemon: like SIGTERM, but the exit status is the code of ERR. */
void mlx_service_fail(mlx_service_t *self, const mlx_error_t *err);

#endif
