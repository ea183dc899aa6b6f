/*  traffic_table.h - the system's table of TCP connections, as traffic.c wants it
 *
 *  One file per system: traffic_linux.c, traffic_darwin.c.
 */
#ifndef MLX_WATCHER_TRAFFIC_TABLE_H
#define MLX_WATCHER_TRAFFIC_TABLE_H

#include "traffic.h"

typedef struct mlx_traffic_table mlx_traffic_table_t;

/*  Of the connections whose end on this machine is PORT; OPENS (borrowed, may be NULL) saves
 *  looking for new ones. Caller owns it and must destroy it. */
mlx_traffic_table_t *mlx_traffic_table_new(int port, mlx_opens_t *opens);
void mlx_traffic_table_destroy(mlx_traffic_table_t **self);

/*  Those that are established now, those of this process left out, at most CAP into OUT; *OPENED:
 *  somebody has connected to some server since the last time, or that is not known. false: the
 *  system does not tell. */
bool mlx_traffic_table_read(mlx_traffic_table_t *self, mlx_traffic_connection_t *out, size_t cap,
                            size_t *count, bool *opened);

/*  Whether all connections to the server on PORT are in the table: it listens in this network
 *  namespace, and no packets are sent past it to a container's. */
bool mlx_traffic_table_whole(const char *proc_root, int port);

/*  For opens.c: a descriptor, or -1; and the number that it has. */
int mlx_traffic_counters_open(void);
bool mlx_traffic_counters_read(int fd, uint64_t *out);

#endif
