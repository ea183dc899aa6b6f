#include "events.h"

#include <stdlib.h>
#include <string.h>

#include "common/view/room.h"
#include "proto/json.h"

static const mlx_room_limits_t limits = {.count = 16384, .bytes = 32 << 20};

enum {
    OVERHEAD = 512 /* bytes of an entry beside its text */
};

/*  The text is made when a message comes, not once for each reader. */
typedef struct {
    char *topic;
    char *host;
    char *src;
    uint64_t number; /* of its newest text, in the order of all texts */
    mlx_buf_t text;
} entry_t;

struct mlx_events {
    entry_t headline;
    entry_t *entries; /* in order of topic, then host */
    size_t count;
    size_t bytes;
    uint64_t newest;
};

mlx_events_t *mlx_events_new(void)
{
    return mlx_alloc(1, sizeof(mlx_events_t));
}

static size_t weight_of(const entry_t *entry)
{
    return entry->text.cap + OVERHEAD;
}

static void clear_entry(entry_t *entry)
{
    free(entry->topic);
    free(entry->host);
    free(entry->src);
    mlx_buf_clear(&entry->text);
}

void mlx_events_destroy(mlx_events_t **self_p)
{
    mlx_events_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        clear_entry(&self->entries[i]);
    clear_entry(&self->headline);
    free(self->entries);
    free(self);
}

static int compare(const entry_t *entry, const char *topic, const char *host)
{
    int order = strcmp(entry->topic, topic);
    return order ? order : strcmp(entry->host, host);
}

/*  The entry of MESSAGE, made if it is new. */
static entry_t *entry_of(mlx_events_t *self, const mlx_message_t *message)
{
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&self->entries[middle], message->topic, message->host) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < self->count && compare(&self->entries[low], message->topic, message->host) == 0)
        return &self->entries[low];
    self->entries = mlx_grow(self->entries, self->count, sizeof *self->entries);
    entry_t *entry = &self->entries[low];
    memmove(entry + 1, entry, (self->count - low) * sizeof *entry);
    *entry = (entry_t){.topic = mlx_strdup(message->topic), .host = mlx_strdup(message->host)};
    self->bytes += weight_of(entry);
    self->count++;
    return entry;
}

/*  Drop the entries that GO says. */
static void drop(mlx_events_t *self, const bool *go)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        if (!go[i]) {
            self->entries[kept++] = self->entries[i];
            continue;
        }
        self->bytes -= weight_of(&self->entries[i]);
        clear_entry(&self->entries[i]);
    }
    self->count = kept;
}

static void make_room(mlx_events_t *self)
{
    MLX_CLEANUP(mlx_free_p) mlx_room_item_t *items = mlx_alloc(self->count, sizeof *items);
    MLX_CLEANUP(mlx_free_p) bool *go = mlx_alloc(self->count, sizeof *go);
    for (size_t i = 0; i < self->count; i++) {
        const entry_t *entry = &self->entries[i];
        items[i] = (mlx_room_item_t){.index = i,
                                     .host = entry->host,
                                     .src = entry->src,
                                     .boot = "",
                                     .bytes = weight_of(entry),
                                     .heard_us = (int64_t)entry->number};
    }
    mlx_room_choose(items, self->count, &limits);
    for (size_t i = 0; i < self->count; i++)
        go[items[i].index] = items[i].go;
    drop(self, go);
}

size_t mlx_events_keep(mlx_events_t *self, const mlx_overview_t *overview)
{
    MLX_CLEANUP(mlx_free_p) bool *go = mlx_alloc(self->count + 1, sizeof *go);
    for (size_t i = 0; i < self->count; i++)
        go[i] = !mlx_overview_has(overview, self->entries[i].topic, self->entries[i].host);
    size_t before = self->bytes;
    drop(self, go);
    return before - self->bytes;
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
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *value = mlx_message_value(message);
    self->bytes -= weight_of(entry);
    free(entry->src);
    entry->src = mlx_strdup(message->src);
    if (entry->text.cap > 4 * entry->text.len)
        mlx_buf_clear(&entry->text);
    mlx_buf_reset(&entry->text);
    write_event(&entry->text, "message", value);
    entry->number = ++self->newest;
    self->bytes += weight_of(entry);
    if (self->count > limits.count || self->bytes > limits.bytes)
        make_room(self);
}

void mlx_events_headline(mlx_events_t *self, const mlx_value_t *headline)
{
    entry_t *entry = &self->headline;
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
    if (self->headline.number > *seen)
        mlx_buf_append(out, self->headline.text.data, self->headline.text.len);
    for (size_t i = 0; *seen < self->newest && i < self->count; i++)
        if (self->entries[i].number > *seen)
            mlx_buf_append(out, self->entries[i].text.data, self->entries[i].text.len);
    *seen = self->newest;
    return out->len > before;
}
