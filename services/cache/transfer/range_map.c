#include "services/cache/transfer/range_map.h"

#include <stdlib.h>
#include <string.h>

enum {
    PIECE = 32 * 1024 * 1024,
    MAX_PIECES = 65536,
};

struct mlx_range_map {
    char *head; /* first line of the sidecar */
    uint64_t size;
    uint64_t piece;
    size_t count;
    size_t first; /* before it all are complete */
    size_t complete;
    uint64_t bytes;
    uint64_t *at;
};

mlx_range_map_t *mlx_range_map_new(const char *etag, uint64_t size, uint64_t piece)
{
    mlx_range_map_t *self = mlx_alloc(1, sizeof *self);
    self->size = size;
    self->piece = piece ? piece : PIECE;
    while (size / self->piece >= MAX_PIECES)
        self->piece *= 2;
    self->count = (size_t)(size / self->piece) + (size % self->piece || !size);
    self->at = mlx_alloc(self->count, sizeof *self->at);
    self->head = mlx_format("mlx-pieces 1 %s %llu %llu\n", etag, (unsigned long long)size,
                            (unsigned long long)self->piece);
    mlx_range_map_clear(self);
    return self;
}

void mlx_range_map_destroy(mlx_range_map_t **self)
{
    mlx_range_map_t *pieces = *self;
    *self = NULL;
    if (!pieces)
        return;
    free(pieces->head);
    free(pieces->at);
    free(pieces);
}

size_t mlx_range_map_count(const mlx_range_map_t *self)
{
    return self->count;
}

size_t mlx_range_map_of(const mlx_range_map_t *self, uint64_t offset)
{
    return (size_t)(offset / self->piece);
}

uint64_t mlx_range_map_begin(const mlx_range_map_t *self, size_t index)
{
    return index * self->piece;
}

uint64_t mlx_range_map_end(const mlx_range_map_t *self, size_t index)
{
    return index + 1 < self->count ? (index + 1) * self->piece : self->size;
}

uint64_t mlx_range_map_at(const mlx_range_map_t *self, size_t index)
{
    return self->at[index];
}

bool mlx_range_map_has(const mlx_range_map_t *self, size_t index)
{
    return self->at[index] == mlx_range_map_end(self, index);
}

void mlx_range_map_reached(mlx_range_map_t *self, size_t index, uint64_t at)
{
    if (at <= self->at[index])
        return;
    self->bytes += at - self->at[index];
    self->at[index] = at;
    self->complete += mlx_range_map_has(self, index);
    while (self->first < self->count && mlx_range_map_has(self, self->first))
        self->first++;
}

void mlx_range_map_clear(mlx_range_map_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        self->at[i] = mlx_range_map_begin(self, i);
    self->bytes = 0;
    self->first = self->complete = self->size ? 0 : self->count;
}

uint64_t mlx_range_map_frontier(mlx_range_map_t *self)
{
    return self->first < self->count ? self->at[self->first] : self->size;
}

uint64_t mlx_range_map_bytes(const mlx_range_map_t *self)
{
    return self->bytes;
}

bool mlx_range_map_complete(const mlx_range_map_t *self)
{
    return self->complete == self->count;
}

char *mlx_range_map_text(const mlx_range_map_t *self)
{
    size_t head = strlen(self->head);
    char *text = mlx_alloc(head + self->count + 2, 1);
    memcpy(text, self->head, head);
    for (size_t i = 0; i < self->count; i++)
        text[head + i] = mlx_range_map_has(self, i) ? '1' : '0';
    text[head + self->count] = '\n';
    return text;
}

bool mlx_range_map_parse(mlx_range_map_t *self, const char *text, size_t length, uint64_t held)
{
    size_t head = strlen(self->head);
    if (length != head + self->count + 1 || memcmp(text, self->head, head) != 0 ||
        text[length - 1] != '\n')
        return false;
    const char *digits = text + head;
    for (size_t i = 0; i < self->count; i++)
        if (digits[i] != '0' && digits[i] != '1')
            return false;
    mlx_range_map_clear(self);
    for (size_t i = 0; i < self->count; i++)
        if (digits[i] == '1' && mlx_range_map_end(self, i) <= held)
            mlx_range_map_reached(self, i, mlx_range_map_end(self, i));
    return true;
}
