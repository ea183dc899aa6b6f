/*  dbus.h - the session bus in the event loop: one sd-bus connection, no thread
 *
 *      mlx_dbus_t *dbus = mlx_dbus_new(loop, on_lost, self, &err);
 *      sd_bus *bus = mlx_dbus_bus(dbus);
 *      sd_bus_emit_signal(bus, ...); mlx_dbus_flush(dbus);
 *      mlx_dbus_destroy(&dbus);
 */
#ifndef MLX_TOOLS_MENUBAR_DBUS_H
#define MLX_TOOLS_MENUBAR_DBUS_H

#include <systemd/sd-bus.h>

#include "common/bus/loop.h"

typedef struct mlx_dbus mlx_dbus_t;

/*  The connection ended, as at the end of a session; it does not come back. */
typedef void (*mlx_dbus_lost_fn)(void *arg);

/*  NULL with ERR (unavailable): there is no session bus to reach. */
mlx_dbus_t *mlx_dbus_new(mlx_loop_t *loop, mlx_dbus_lost_fn lost, void *arg, mlx_error_t *err);

/*  Sends what is still queued, within reason. */
void mlx_dbus_destroy(mlx_dbus_t **self);

/*  The connection, for sd-bus calls; borrowed. */
sd_bus *mlx_dbus_bus(const mlx_dbus_t *self);

/*  After sd-bus calls outside of its own handlers: let the loop see what they queued. */
void mlx_dbus_flush(mlx_dbus_t *self);

/*  Set ERR from a negative errno RC of an sd-bus call that did WHAT. Always returns -1. */
int mlx_dbus_error(mlx_error_t *err, int rc, const char *what);

#endif
