/*  What the disk holds: a walk along it over the extents of all files, counting who is there. */
#include "services/cache/store/inodes.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t dev, space, at;
    size_t group;
    bool end;
} event_t;

typedef struct {
    mlx_inodes_t *inodes;
    bool fill;            /* the fields of the groups as well */
    uint64_t shared;      /* bytes that would be counted more than once */
    uint64_t shared_apps; /* the same among the files that apps have */
    size_t *active;       /* groups that have the extent at hand */
    size_t count;
} walk_t;

static int compare_events(const void *a, const void *b)
{
    const event_t *x = a, *y = b;
    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    if (x->space != y->space)
        return x->space < y->space ? -1 : 1;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return y->end - x->end;
}

static void count_interval(walk_t *w, uint64_t len)
{
    mlx_group_t *groups = w->inodes->groups;
    size_t apps = 0;
    bool alone = true, kept = false;
    for (size_t i = 0; i < w->count; i++) {
        apps += groups[w->active[i]].own_apps != 0;
        kept = kept || groups[w->active[i]].own_apps || groups[w->active[i]].outside;
        alone = alone && w->active[i] == w->active[0];
    }
    w->shared += (w->count - 1) * len;
    if (apps > 1)
        w->shared_apps += (apps - 1) * len;
    if (!w->fill)
        return;
    if (alone)
        groups[w->active[0]].exclusive += len;
    if (!kept)
        groups[groups[w->active[0]].leader].cache_only += len;
}

static void leave(walk_t *w, size_t group)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->active[i] == group) {
            w->active[i] = w->active[--w->count];
            return;
        }
}

static event_t *list_events(const mlx_inodes_t *self, const bool *gone, size_t *count)
{
    size_t capacity = 1;
    for (size_t g = 0; g < self->group_count; g++)
        capacity += 2 * self->groups[g].runs.count;
    event_t *events = mlx_alloc(capacity, sizeof *events);
    *count = 0;
    for (size_t g = 0; g < self->group_count; g++) {
        const mlx_runs_t *runs = &self->groups[g].runs;
        uint64_t dev = self->refs[self->groups[g].first].id.dev;
        for (size_t i = 0; !(gone && gone[g]) && i < runs->count; i++) {
            const mlx_run_t *run = &runs->runs[i];
            event_t event = {.dev = dev, .space = run->space, .at = run->start, .group = g};
            events[(*count)++] = event;
            event.at += run->len;
            event.end = true;
            events[(*count)++] = event;
        }
    }
    qsort(events, *count, sizeof *events, compare_events);
    return events;
}

static void walk(walk_t *w, const bool *gone)
{
    size_t count;
    MLX_CLEANUP(mlx_free_p) event_t *events = list_events(w->inodes, gone, &count);
    MLX_CLEANUP(mlx_free_p) size_t *active = mlx_alloc(count + 1, sizeof *active);
    w->active = active;
    for (size_t i = 0; i < count; i++) {
        if (w->count && events[i].at > events[i - 1].at)
            count_interval(w, events[i].at - events[i - 1].at);
        if (events[i].end)
            leave(w, events[i].group);
        else
            w->active[w->count++] = events[i].group;
    }
}

/*  What a file takes outside of its runs: all of it where nobody knows its places. */
static uint64_t rest_of(const mlx_group_t *group)
{
    uint64_t placed = 0;
    for (size_t i = 0; i < group->runs.count; i++)
        placed += group->runs.runs[i].len;
    return group->disk_bytes > placed ? group->disk_bytes - placed : 0;
}

/*  Extents can say more than the file system counts for the file (compression): not less is held
 *  then. */
static uint64_t held_by(const mlx_group_t *group)
{
    uint64_t sum = rest_of(group);
    for (size_t i = 0; i < group->runs.count; i++)
        sum += group->runs.runs[i].len;
    return sum;
}

uint64_t mlx_inodes_without(const mlx_inodes_t *self, const bool *gone)
{
    /* Without fill nothing is written. */
    walk_t w = {.inodes = (mlx_inodes_t *)self};
    walk(&w, gone);
    uint64_t sum = 0;
    for (size_t g = 0; g < self->group_count; g++)
        if (!gone || !gone[g])
            sum += held_by(&self->groups[g]);
    return sum - w.shared;
}

uint64_t mlx_inodes_freeable(const mlx_inodes_t *self)
{
    MLX_CLEANUP(mlx_free_p) bool *kept = mlx_alloc(self->group_count + 1, sizeof *kept);
    for (size_t g = 0; g < self->group_count; g++)
        kept[g] = self->groups[g].outside;
    return mlx_inodes_without(self, kept);
}

void mlx_inodes_sum(mlx_inodes_t *self)
{
    uint64_t held = 0, more = 0;
    for (size_t g = 0; g < self->group_count; g++) {
        mlx_group_t *group = &self->groups[g];
        uint64_t rest = rest_of(group);
        group->exclusive = rest;
        held += held_by(group);
        if (group->own_apps)
            more += (group->own_places - 1) * group->disk_bytes;
        else if (!group->outside)
            self->groups[group->leader].cache_only += rest;
    }
    walk_t w = {.inodes = self, .fill = true};
    walk(&w, NULL);
    self->total = held - w.shared;
    self->saved = more + w.shared_apps;
}
