/*  traffic_table.h - the system's table of TCP connections, as traffic.c wants it
 *
 *  One file per system: traffic_linux.c, traffic_darwin.c.
 */
#ifndef MLX_WATCHER_TRAFFIC_TABLE_H
#define MLX_WATCHER_TRAFFIC_TABLE_H

#include "traffic.h"

typedef struct mlx_traffic_table mlx_traffic_table_t;

/*  Of the connections whose end on this machine is PORT. Caller owns it and must destroy it. */
mlx_traffic_table_t *mlx_traffic_table_new(int port);
void mlx_traffic_table_destroy(mlx_traffic_table_t **self);

/*  Those that are established now, those of this process left out, at most CAP into OUT. false: the
 *  system does not tell. */
bool mlx_traffic_table_read(mlx_traffic_table_t *self, mlx_traffic_connection_t *out, size_t cap,
                            size_t *count);

#endif
