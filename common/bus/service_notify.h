/*  service_notify.h - sd_notify(3) without libsystemd: one datagram to $NOTIFY_SOCKET
 *
 *  The protocol is documented as stable and open to reimplementation; three lines of it are not
 *  worth a library that macOS does not have.
 */
#ifndef MLX_COMMON_BUS_SERVICE_NOTIFY_H
#define MLX_COMMON_BUS_SERVICE_NOTIFY_H

/*  Send STATE ("READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=..."). Silent where no manager
 *  listens. */
void mlx_notify(const char *state);

#endif
