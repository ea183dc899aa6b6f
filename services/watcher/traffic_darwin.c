/*  macOS counts bytes per connection in a private framework only. */
#include "traffic_table.h"

mlx_traffic_table_t *mlx_traffic_table_new(int port, mlx_opens_t *opens)
{
    (void)port;
    (void)opens;
    return NULL;
}

void mlx_traffic_table_destroy(mlx_traffic_table_t **self)
{
    *self = NULL;
}

bool mlx_traffic_table_read(mlx_traffic_table_t *self, mlx_traffic_connection_t *out, size_t cap,
                            size_t *count, bool *opened)
{
    (void)self;
    (void)out;
    (void)cap;
    *count = 0;
    *opened = true;
    return false;
}

bool mlx_traffic_table_whole(const char *proc_root, int port)
{
    (void)proc_root;
    (void)port;
    return false;
}

int mlx_traffic_counters_open(void)
{
    return -1;
}

bool mlx_traffic_counters_read(int fd, uint64_t *out)
{
    (void)fd;
    (void)out;
    return false;
}
