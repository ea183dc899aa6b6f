/*  macOS counts bytes per connection in a private framework only. */
#include "traffic_table.h"

mlx_traffic_table_t *mlx_traffic_table_new(int port)
{
    (void)port;
    return NULL;
}

void mlx_traffic_table_destroy(mlx_traffic_table_t **self)
{
    *self = NULL;
}

bool mlx_traffic_table_read(mlx_traffic_table_t *self, mlx_traffic_connection_t *out, size_t cap,
                            size_t *count)
{
    (void)self;
    (void)out;
    (void)cap;
    *count = 0;
    return false;
}
