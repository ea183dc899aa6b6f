#include "common/view/room.h"

#include <stdlib.h>
#include <string.h>

/*  Items of one source, side by side after sorting. */
typedef struct {
    size_t begin, end;
    mlx_room_limits_t amount; /* of those that stay */
} group_t;

static int by_source(const void *a, const void *b)
{
    const mlx_room_item_t *x = a, *y = b;
    int order = strcmp(x->host, y->host);
    if (order == 0)
        order = strcmp(x->src, y->src);
    return order ? order : (x->heard_us > y->heard_us) - (x->heard_us < y->heard_us);
}

static int by_run(const void *a, const void *b)
{
    const mlx_room_item_t *x = a, *y = b;
    int order = strcmp(x->host, y->host);
    if (order == 0)
        order = strcmp(x->src, y->src);
    return order ? order : strcmp(x->boot, y->boot);
}

static bool same_source(const mlx_room_item_t *a, const mlx_room_item_t *b)
{
    return strcmp(a->host, b->host) == 0 && strcmp(a->src, b->src) == 0;
}

/*  The groups of sorted ITEMS; caller frees them. */
static group_t *group(const mlx_room_item_t *items, size_t count, size_t *groups)
{
    group_t *all = mlx_alloc(count, sizeof *all);
    *groups = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !same_source(&items[i - 1], &items[i]))
            all[(*groups)++] = (group_t){.begin = i};
        group_t *last = &all[*groups - 1];
        last->end = i + 1;
        last->amount.count++;
        last->amount.bytes += items[i].bytes;
    }
    return all;
}

/*  Share of the limits that a group has, whichever is larger. */
static double greed_of(const group_t *group, const mlx_room_limits_t *limits)
{
    double count = (double)group->amount.count / (double)limits->count;
    double bytes = (double)group->amount.bytes / (double)limits->bytes;
    return count > bytes ? count : bytes;
}

static group_t *greediest(group_t *groups, size_t count, const mlx_room_limits_t *limits)
{
    group_t *most = &groups[0];
    for (size_t i = 1; i < count; i++)
        if (greed_of(&groups[i], limits) > greed_of(most, limits))
            most = &groups[i];
    return most;
}

static bool is_above(const mlx_room_limits_t *amount, const mlx_room_limits_t *limits,
                     size_t eighths)
{
    return amount->count > limits->count / 8 * eighths ||
           amount->bytes > limits->bytes / 8 * eighths;
}

void mlx_room_choose(mlx_room_item_t *items, size_t count, const mlx_room_limits_t *limits)
{
    mlx_room_limits_t total = {.count = count};
    size_t groups;
    for (size_t i = 0; i < count; i++)
        total.bytes += items[i].bytes;
    if (!is_above(&total, limits, 8))
        return;
    qsort(items, count, sizeof *items, by_source);
    MLX_CLEANUP(mlx_free_p) group_t *all = group(items, count, &groups);
    while (is_above(&total, limits, 7)) {
        group_t *most = greediest(all, groups, limits);
        mlx_room_item_t *oldest = &items[most->begin++];
        oldest->go = true;
        most->amount.count--;
        most->amount.bytes -= oldest->bytes;
        total.count--;
        total.bytes -= oldest->bytes;
    }
}

void mlx_room_gone(mlx_room_item_t *items, size_t count, int64_t before_us)
{
    qsort(items, count, sizeof *items, by_run);
    for (size_t begin = 0, end; begin < count; begin = end) {
        int64_t heard_us = INT64_MIN;
        for (end = begin; end < count && by_run(&items[begin], &items[end]) == 0; end++)
            if (items[end].heard_us > heard_us)
                heard_us = items[end].heard_us;
        for (size_t i = begin; i < end; i++)
            items[i].go = items[i].go || heard_us < before_us;
    }
}
