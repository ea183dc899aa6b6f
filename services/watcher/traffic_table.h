/*  traffic_table.h - the system's table of TCP connections, as traffic.c wants it
 *
 *  One file per system: traffic_linux.c, traffic_darwin.c.
 */
#ifndef MLX_WATCHER_TRAFFIC_TABLE_H
#define MLX_WATCHER_TRAFFIC_TABLE_H

#include "traffic.h"

/*  The established connections whose end on this machine is PORT, those of this process left out,
 *  at most CAP into OUT. false: the system does not tell. */
bool mlx_traffic_table(int port, mlx_traffic_connection_t *out, size_t cap, size_t *count);

#endif
