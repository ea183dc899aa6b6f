#include "traffic.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "traffic_table.h"

enum {
    CONNECTIONS_MAX = 128, /* those beyond are not looked at */
    WORK_MS = 100,         /* a reply takes that long when there is something to do for it */
    OLD_MS = 2000,         /* an exchange that ended before the first look at it */
    QUIET_MS = 200,        /* a stream pauses less than that; mostly */
    DENIALS = 4,
    STILL_MS = 2000, /* a model may begin to load that long after its request */
};

typedef struct {
    mlx_traffic_connection_t seen;
    bool answered; /* the server has sent something since it got something last */
    bool working;
    int denied; /* times that the server said it is idle, during this exchange */
} connection_t;

struct mlx_traffic {
    mlx_traffic_table_t *table;
    int port;
    bool moved;
    int64_t moved_us, looked_us;
    connection_t connections[CONNECTIONS_MAX];
    size_t count;
};

mlx_traffic_t *mlx_traffic_new(int port, mlx_opens_t *opens)
{
    mlx_traffic_t *self = mlx_alloc(1, sizeof *self);
    self->port = port;
    self->table = mlx_traffic_table_new(port, opens);
    return self;
}

void mlx_traffic_destroy(mlx_traffic_t **self)
{
    if (!*self)
        return;
    mlx_traffic_table_destroy(&(*self)->table);
    free(*self);
    *self = NULL;
}

/*  The kernel's clock ticks some milliseconds: where both are of one tick the bytes sent tell a
 *  quick reply from a request that came with its connection. */
static bool is_answered(const connection_t *before, const mlx_traffic_connection_t *now)
{
    if (now->sent_ago != now->received_ago)
        return now->sent_ago < now->received_ago;
    if (now->sent > (before ? before->seen.sent : 0))
        return true;
    return before && before->seen.received == now->received && before->answered;
}

static bool is_work(const connection_t *c)
{
    const mlx_traffic_connection_t *now = &c->seen;
    if (now->received == 0)
        return false;
    return now->received_ago - (c->answered ? now->sent_ago : 0) >= WORK_MS;
}

static const connection_t *known(const connection_t *list, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].seen.id == id)
            return &list[i];
    return NULL;
}

static connection_t classify(const connection_t *before, const mlx_traffic_connection_t *now)
{
    connection_t next = {.seen = *now, .answered = is_answered(before, now)};
    if (before && before->seen.received == now->received)
        next.denied = before->denied;
    else if (!before && next.answered && now->sent_ago > OLD_MS)
        next.denied = DENIALS;
    next.working = next.denied < DENIALS && is_work(&next);
    return next;
}

void mlx_traffic_take(mlx_traffic_t *self, const mlx_traffic_connection_t *seen, size_t count)
{
    MLX_CLEANUP(mlx_free_p) connection_t *before = mlx_alloc(self->count + 1, sizeof *before);
    size_t known_count = self->count;
    memcpy(before, self->connections, known_count * sizeof *before);
    self->count = count < CONNECTIONS_MAX ? count : CONNECTIONS_MAX;
    for (size_t i = 0; i < self->count; i++) {
        const connection_t *last = known(before, known_count, seen[i].id);
        self->connections[i] = classify(last, &seen[i]);
        self->moved |= seen[i].received > (last ? last->seen.received : 0);
    }
}

bool mlx_traffic_look(mlx_traffic_t *self)
{
    mlx_traffic_connection_t seen[CONNECTIONS_MAX];
    size_t count;
    bool opened;
    if (!mlx_traffic_table_read(self->table, seen, CONNECTIONS_MAX, &count, &opened)) {
        self->moved = true;
        return false;
    }
    bool before = self->moved;
    self->moved = opened;
    mlx_traffic_take(self, seen, count);
    self->looked_us = mlx_now_us();
    self->moved_us = self->moved ? self->looked_us : self->moved_us;
    self->moved |= before;
    return true;
}

bool mlx_traffic_sees_all(const mlx_traffic_t *self, const char *proc_root)
{
    return mlx_traffic_table_whole(proc_root, self->port);
}

bool mlx_traffic_moved(mlx_traffic_t *self)
{
    bool moved = self->moved;
    self->moved = false;
    return moved;
}

bool mlx_traffic_still(const mlx_traffic_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        const mlx_traffic_connection_t *seen = &self->connections[i].seen;
        bool waits = seen->received > 0 && !self->connections[i].answered;
        if (waits || (seen->received > 0 && seen->sent_ago < STILL_MS))
            return false;
    }
    return self->looked_us - self->moved_us >= (int64_t)STILL_MS * 1000;
}

bool mlx_traffic_working(const mlx_traffic_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->connections[i].working)
            return true;
    return false;
}

void mlx_traffic_each_working(const mlx_traffic_t *self, mlx_traffic_fn fn, void *arg)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->connections[i].working && !fn(arg, &self->connections[i].seen))
            return;
}

void mlx_traffic_idle(mlx_traffic_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        connection_t *c = &self->connections[i];
        bool ended = c->answered && c->seen.sent_ago >= QUIET_MS;
        if (c->working && (ended || ++c->denied >= DENIALS)) {
            c->denied = DENIALS;
            c->working = false;
        }
    }
}
