#include "common/bus/seen.h"

#include <czmq.h>
#include <string.h>

enum {
    ENTRIES_MAX = 8192,
    SETTLE_US = 1000000,
    JUMP_MAX = 1000000, /* messages lost at once */
};

typedef struct {
    char boot[MLX_BOOT_MAX + 1];
    int64_t seq;      /* the last of a topic; the highest of a source */
    int64_t jump;     /* where a step led that no loss explains; 0: none */
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

/*  Messages of the source that are missing before number SEQ. A step that no loss explains is not
 *  believed before a second message goes on from there: one forged number must neither count as a
 *  loss nor hide the losses that follow. */
static int64_t gap_before(seen_t *source, int64_t seq, int64_t now_us)
{
    int64_t step = seq - source->seq;
    bool jumps = source->seq != 0 && (step > JUMP_MAX || step < -JUMP_MAX);
    bool goes_on = jumps && seq > source->jump && seq - source->jump <= JUMP_MAX;
    if (jumps && !goes_on) {
        source->jump = seq;
        return 0;
    }
    if (!jumps && step <= 0)
        return 0;
    bool settled = now_us - source->since_us > SETTLE_US;
    source->seq = seq;
    return settled && !jumps ? step - 1 : 0;
}

bool mlx_bus_seen_before(mlx_bus_seen_t *self, const mlx_message_t *message, int64_t now_us,
                         int64_t *gap)
{
    *gap = 0;
    seen_t *topic = entry_of(self->topics, message->host, message->topic, message->boot, now_us);
    /* What is repeated is always the last that came. A lower number comes only after a forged
     * one. */
    if (message->seq == topic->seq)
        return true;
    topic->seq = message->seq;
    seen_t *source = entry_of(self->sources, message->host, message->src, message->boot, now_us);
    *gap = gap_before(source, message->seq, now_us);
    return false;
}
