#include "events.h"

#include <stdlib.h>
#include <string.h>

#include "proto/json.h"

enum {
    ENTRIES_MAX = 4096
};

/*  The text is made when a message comes, not once for each reader. */
typedef struct {
    char *topic; /* NULL: the headline */
    char *host;
    uint64_t number;
    mlx_buf_t text;
} entry_t;

struct mlx_events {
    entry_t *entries;
    size_t count;
    uint64_t newest;
};

mlx_events_t *mlx_events_new(void)
{
    mlx_events_t *self = mlx_alloc(1, sizeof *self);
    self->entries = mlx_grow(NULL, 0, sizeof *self->entries);
    self->entries[self->count++] = (entry_t){0}; /* the headline comes first */
    return self;
}

void mlx_events_destroy(mlx_events_t **self_p)
{
    mlx_events_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++) {
        free(self->entries[i].topic);
        free(self->entries[i].host);
        mlx_buf_clear(&self->entries[i].text);
    }
    free(self->entries);
    free(self);
}

/*  The entry of MESSAGE, made if it is new; NULL when there are too many. */
static entry_t *entry_of(mlx_events_t *self, const mlx_message_t *message)
{
    for (size_t i = 1; i < self->count; i++)
        if (strcmp(self->entries[i].topic, message->topic) == 0 &&
            strcmp(self->entries[i].host, message->host) == 0)
            return &self->entries[i];
    if (self->count == ENTRIES_MAX)
        return NULL;
    self->entries = mlx_grow(self->entries, self->count, sizeof *self->entries);
    entry_t *entry = &self->entries[self->count++];
    *entry = (entry_t){.topic = mlx_strdup(message->topic), .host = mlx_strdup(message->host)};
    return entry;
}

static void write_event(mlx_buf_t *text, const char *kind, const mlx_value_t *value)
{
    mlx_buf_printf(text, "event: %s\ndata: ", kind);
    mlx_json_write(text, value, false);
    mlx_buf_puts(text, "\n\n");
}

void mlx_events_put(mlx_events_t *self, const mlx_message_t *message)
{
    entry_t *entry = entry_of(self, message);
    if (!entry)
        return;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *value = mlx_message_value(message);
    mlx_buf_reset(&entry->text);
    write_event(&entry->text, "message", value);
    entry->number = ++self->newest;
}

void mlx_events_headline(mlx_events_t *self, const mlx_value_t *headline)
{
    entry_t *entry = &self->entries[0];
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    write_event(&text, "headline", headline);
    if (strcmp(mlx_buf_str(&text), mlx_buf_str(&entry->text)) == 0)
        return;
    mlx_buf_reset(&entry->text);
    mlx_buf_append(&entry->text, text.data, text.len);
    entry->number = ++self->newest;
}

bool mlx_events_read(const mlx_events_t *self, uint64_t *seen, mlx_buf_t *out)
{
    size_t before = out->len;
    for (size_t i = 0; *seen < self->newest && i < self->count; i++)
        if (self->entries[i].number > *seen)
            mlx_buf_append(out, self->entries[i].text.data, self->entries[i].text.len);
    *seen = self->newest;
    return out->len > before;
}
