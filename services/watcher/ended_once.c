#include "ended_once.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HELD = 64,
    TOLD = 256,
    HOLD_US = 1500 * 1000,  /* a log says it by then */
    LATE_US = 15000 * 1000, /* slots are asked again at the latest after that long */
    SILENT_MAX = 3,         /* requests in a row that the log did not tell */
};

typedef struct {
    mlx_ended_t request;
    char model[256]; /* what request.model points to */
    int64_t due_us;
} held_t;

typedef struct {
    int64_t task; /* -1: none */
    int64_t t_us;
} told_t;

struct mlx_ended_once {
    mlx_ended_sink_t sink;
    held_t held[HELD];
    size_t held_count;
    told_t told[TOLD]; /* a ring */
    size_t next;
    int silent;
};

mlx_ended_once_t *mlx_ended_once_new(mlx_ended_sink_t sink)
{
    mlx_ended_once_t *self = mlx_alloc(1, sizeof *self);
    self->sink = sink;
    for (size_t i = 0; i < TOLD; i++)
        self->told[i].task = -1;
    return self;
}

void mlx_ended_once_destroy(mlx_ended_once_t **self)
{
    free(*self);
    *self = NULL;
}

static void drop(mlx_ended_once_t *self, size_t index)
{
    size_t after = --self->held_count - index;
    memmove(&self->held[index], &self->held[index + 1], after * sizeof self->held[0]);
}

static void tell(mlx_ended_once_t *self, size_t index)
{
    held_t held = self->held[index];
    drop(self, index);
    held.request.model = held.model[0] ? held.model : NULL;
    mlx_ended_tell(&self->sink, &held.request);
}

void mlx_ended_once_log(mlx_ended_once_t *self, const mlx_ended_t *request, int64_t now_us)
{
    bool known = false;
    self->silent = 0;
    for (size_t i = 0; i < self->held_count && !known && request->task >= 0; i++)
        if (self->held[i].request.task == request->task) {
            drop(self, i);
            known = true;
        }
    if (!known && request->task >= 0) {
        self->told[self->next] = (told_t){.task = request->task, .t_us = now_us};
        self->next = (self->next + 1) % TOLD;
    }
    mlx_ended_tell(&self->sink, request);
}

/*  Each that the log told stands for one. */
static bool was_told(mlx_ended_once_t *self, int64_t task, int64_t now_us)
{
    for (size_t i = 0; i < TOLD && task >= 0; i++)
        if (self->told[i].task == task && now_us - self->told[i].t_us <= LATE_US) {
            self->told[i].task = -1;
            return true;
        }
    return false;
}

void mlx_ended_once_live(mlx_ended_once_t *self, const mlx_ended_t *request, bool waits,
                         int64_t now_us)
{
    if (was_told(self, request->task, now_us))
        return;
    if (!waits || request->task < 0 || self->silent >= SILENT_MAX) {
        mlx_ended_tell(&self->sink, request);
        return;
    }
    if (self->held_count == HELD)
        tell(self, 0);
    held_t *held = &self->held[self->held_count++];
    held->request = *request;
    held->due_us = now_us + HOLD_US;
    snprintf(held->model, sizeof held->model, "%s", request->model ? request->model : "");
}

void mlx_ended_once_tick(mlx_ended_once_t *self, int64_t now_us)
{
    while (self->held_count > 0 && self->held[0].due_us <= now_us) {
        self->silent++;
        tell(self, 0);
    }
}
