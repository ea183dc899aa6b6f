#include "common/bus_seen.h"

#include <czmq.h>
#include <string.h>

enum {
    ENTRIES_MAX = 8192,
    SETTLE_US = 1000000
};

typedef struct {
    char boot[33];
    int64_t seq;      /* highest seen */
    int64_t since_us; /* when the first message of this run was seen */
} seen_t;

struct mlx_bus_seen {
    zhashx_t *topics;  /* "host topic" -> seen_t */
    zhashx_t *sources; /* "host src" -> seen_t */
};

static void free_entry(void **item)
{
    free(*item);
    *item = NULL;
}

mlx_bus_seen_t *mlx_bus_seen_new(void)
{
    mlx_bus_seen_t *self = mlx_alloc(1, sizeof *self);
    self->topics = zhashx_new();
    self->sources = zhashx_new();
    zhashx_set_destructor(self->topics, free_entry);
    zhashx_set_destructor(self->sources, free_entry);
    return self;
}

void mlx_bus_seen_destroy(mlx_bus_seen_t **self_p)
{
    if (!*self_p)
        return;
    zhashx_destroy(&(*self_p)->topics);
    zhashx_destroy(&(*self_p)->sources);
    free(*self_p);
    *self_p = NULL;
}

/*  The entry of "HOST NAME"; a new or restarted one has seq 0. A table that outgrows all reason (a
 *  hostile publisher inventing names) is begun afresh: a few repeats get through, memory stays. */
static seen_t *entry_of(zhashx_t *table, const char *host, const char *name, const char *boot,
                        int64_t now_us)
{
    char key[512];
    snprintf(key, sizeof key, "%s %s", host, name);
    seen_t *seen = zhashx_lookup(table, key);
    if (!seen) {
        if (zhashx_size(table) >= ENTRIES_MAX)
            zhashx_purge(table);
        seen = mlx_alloc(1, sizeof *seen);
        zhashx_insert(table, key, seen);
    }
    if (strncmp(seen->boot, boot, sizeof seen->boot - 1) != 0) {
        *seen = (seen_t){.since_us = now_us};
        snprintf(seen->boot, sizeof seen->boot, "%s", boot);
    }
    return seen;
}

bool mlx_bus_seen_before(mlx_bus_seen_t *self, const mlx_message_t *message, int64_t now_us,
                         int64_t *gap)
{
    *gap = 0;
    seen_t *topic = entry_of(self->topics, message->host, message->topic, message->boot, now_us);
    if (message->seq <= topic->seq)
        return true;
    topic->seq = message->seq;
    seen_t *source = entry_of(self->sources, message->host, message->src, message->boot, now_us);
    if (message->seq > source->seq) {
        if (now_us - source->since_us > SETTLE_US)
            *gap = message->seq - source->seq - 1;
        source->seq = message->seq;
    }
    return false;
}
