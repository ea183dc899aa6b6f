#include "newcomers.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"

enum {
    PREFIXES_MAX = 64, /* more of them are taken for everything */
    PIECE = 256,       /* values sent at once: far below a queue's length */
    PIECE_BYTES = 1 << 20,
    STEP_MS = 2,
    LATER_MS = 1000,
};

/*  Repeating takes this share of what a slow reader can take. */
static const double BYTES_PER_MS = 16000, VALUES_PER_MS = 20;

typedef struct {
    char *text;
    size_t len;
} prefix_t;

typedef struct {
    prefix_t all[PREFIXES_MAX];
    size_t count;
} prefixes_t;

struct mlx_newcomers {
    mlx_loop_t *loop;
    const mlx_retained_t *retained;
    mlx_newcomers_send_fn send;
    void *arg;
    prefixes_t now;   /* being served */
    prefixes_t next;  /* to be served as soon as may be */
    prefixes_t later; /* asked for by those who ask all the time */
    mlx_timer_t *step;
    mlx_timer_t *defer; /* until LATER is as good as NEXT */
    uint64_t cursor;
    bool serving;
    size_t piece, piece_bytes; /* sent in this step */
    size_t values, bytes;      /* sent in this round */
};

static void step(void *arg);

static bool begins_with(const char *text, size_t len, const prefix_t *prefix)
{
    return len >= prefix->len && memcmp(text, prefix->text, prefix->len) == 0;
}

static void clear(prefixes_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->all[i].text);
    self->count = 0;
}

/*  Add a prefix that none covers, and drop those that it covers. */
static void add(prefixes_t *self, const char *text, size_t len)
{
    for (size_t i = 0; i < self->count; i++)
        if (begins_with(text, len, &self->all[i]))
            return;
    if (self->count == PREFIXES_MAX) {
        clear(self);
        len = 0;
    }
    prefix_t fresh = {.text = mlx_strndup(text, len), .len = len};
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        if (begins_with(self->all[i].text, self->all[i].len, &fresh))
            free(self->all[i].text);
        else
            self->all[kept++] = self->all[i];
    }
    self->all[kept] = fresh;
    self->count = kept + 1;
}

static void move(prefixes_t *from, prefixes_t *to)
{
    for (size_t i = 0; i < from->count; i++)
        add(to, from->all[i].text, from->all[i].len);
    clear(from);
}

mlx_newcomers_t *mlx_newcomers_new(mlx_loop_t *loop, const mlx_retained_t *retained,
                                   mlx_newcomers_send_fn send, void *arg)
{
    mlx_newcomers_t *self = mlx_alloc(1, sizeof *self);
    *self = (mlx_newcomers_t){.loop = loop, .retained = retained, .send = send, .arg = arg};
    return self;
}

void mlx_newcomers_destroy(mlx_newcomers_t **self_p)
{
    mlx_newcomers_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_loop_cancel(self->loop, &self->step);
    mlx_loop_cancel(self->loop, &self->defer);
    clear(&self->now);
    clear(&self->next);
    clear(&self->later);
    free(self);
}

static bool send_one(void *arg, const char *topic, mlx_span_t body)
{
    mlx_newcomers_t *self = arg;
    size_t len = strlen(topic);
    bool wanted = false;
    for (size_t i = 0; i < self->now.count && !wanted; i++)
        wanted = begins_with(topic, len, &self->now.all[i]);
    if (!wanted)
        return true;
    if (self->piece >= PIECE || self->piece_bytes >= PIECE_BYTES ||
        !self->send(self->arg, topic, body))
        return false;
    self->piece++;
    self->piece_bytes += body.len;
    return true;
}

/*  Begin a round, or wait as long as the one before it was large. */
static void begin(mlx_newcomers_t *self)
{
    move(&self->next, &self->now);
    self->serving = self->now.count > 0;
    self->cursor = 0;
    self->values = self->bytes = 0;
}

static void step(void *arg)
{
    mlx_newcomers_t *self = arg;
    self->step = NULL;
    if (!self->serving)
        begin(self);
    if (!self->serving)
        return;
    self->piece = self->piece_bytes = 0;
    bool over = mlx_retained_each(self->retained, "", 0, &self->cursor, send_one, self);
    self->values += self->piece;
    self->bytes += self->piece_bytes;
    double pause = STEP_MS;
    if (over) {
        clear(&self->now);
        self->serving = false;
        double by_bytes = (double)self->bytes / BYTES_PER_MS;
        double by_values = (double)self->values / VALUES_PER_MS;
        pause += by_bytes > by_values ? by_bytes : by_values;
    }
    self->step = mlx_loop_after(self->loop, (int64_t)pause, step, self);
}

static void end_deferral(void *arg)
{
    mlx_newcomers_t *self = arg;
    self->defer = NULL;
    move(&self->later, &self->next);
    if (!self->step)
        step(self);
}

void mlx_newcomers_add(mlx_newcomers_t *self, const char *prefix, size_t len, bool soon)
{
    add(soon ? &self->next : &self->later, prefix, len);
    if (soon && !self->step)
        self->step = mlx_loop_after(self->loop, 0, step, self);
    else if (!soon && !self->defer)
        self->defer = mlx_loop_after(self->loop, LATER_MS, end_deferral, self);
}
