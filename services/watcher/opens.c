#include "opens.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "traffic_table.h"

enum {
    FRESH_US = 20 * 1000 /* all that wake at one moment share one reading */
};

struct mlx_opens {
    const mlx_http_t *http;
    int counters; /* descriptor; -1: the system has none */
    int64_t read_us;
    bool known;
    uint64_t accepted;
};

mlx_opens_t *mlx_opens_new(const mlx_http_t *http)
{
    mlx_opens_t *self = mlx_alloc(1, sizeof *self);
    self->http = http;
    self->counters = mlx_traffic_counters_open();
    return self;
}

void mlx_opens_destroy(mlx_opens_t **self)
{
    if (!*self)
        return;
    mlx_close_p(&(*self)->counters);
    free(*self);
    *self = NULL;
}

bool mlx_opens_count(mlx_opens_t *self, uint64_t *all, uint64_t *others)
{
    int64_t now_us = mlx_now_us();
    if (now_us - self->read_us >= FRESH_US) {
        self->known = mlx_traffic_counters_read(self->counters, &self->accepted);
        self->read_us = now_us;
    }
    *all = self->accepted;
    *others = self->accepted - (self->http ? mlx_http_connections(self->http) : 0);
    return self->known;
}
