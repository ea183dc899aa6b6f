#include "sensor.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    char *name;
    char *gpu;            /* identity of the GPU whose topic this is; NULL for every other topic */
    mlx_value_t *data;    /* map */
    mlx_value_t *missing; /* map: field to reason */
    mlx_value_t *held;    /* map: field to its age in seconds */
} topic_t;

struct mlx_readings {
    topic_t *topics;
    size_t count;
    size_t gpus;
};

mlx_readings_t *mlx_readings_new(void)
{
    return mlx_alloc(1, sizeof(mlx_readings_t));
}

void mlx_readings_destroy(mlx_readings_t **self)
{
    if (!*self)
        return;
    for (size_t i = 0; i < (*self)->count; i++) {
        topic_t *topic = &(*self)->topics[i];
        mlx_value_destroy(&topic->data);
        mlx_value_destroy(&topic->missing);
        mlx_value_destroy(&topic->held);
        free(topic->name);
        free(topic->gpu);
    }
    free((*self)->topics);
    free(*self);
    *self = NULL;
}

void mlx_readings_reset(mlx_readings_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        topic_t *topic = &self->topics[i];
        mlx_value_destroy(&topic->data);
        mlx_value_destroy(&topic->missing);
        mlx_value_destroy(&topic->held);
        topic->data = mlx_value_map();
        topic->missing = mlx_value_map();
        topic->held = mlx_value_map();
    }
}

static topic_t *find(const mlx_readings_t *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->topics[i].name, name) == 0)
            return &self->topics[i];
    return NULL;
}

static topic_t *find_gpu(const mlx_readings_t *self, const char *id)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->topics[i].gpu && strcmp(self->topics[i].gpu, id) == 0)
            return &self->topics[i];
    return NULL;
}

/*  Takes ownership of NAME. */
static topic_t *add(mlx_readings_t *self, char *name, const char *gpu)
{
    self->topics = mlx_grow(self->topics, self->count, sizeof *self->topics);
    topic_t *topic = &self->topics[self->count++];
    *topic = (topic_t){
        .name = name,
        .gpu = mlx_strdup(gpu),
        .data = mlx_value_map(),
        .missing = mlx_value_map(),
        .held = mlx_value_map(),
    };
    return topic;
}

static topic_t *need(mlx_readings_t *self, const char *name)
{
    topic_t *topic = find(self, name);
    return topic ? topic : add(self, mlx_strdup(name), NULL);
}

static topic_t *need_gpu(mlx_readings_t *self, const char *id)
{
    topic_t *topic = find_gpu(self, id);
    return topic ? topic : add(self, mlx_format("sensor.gpu.%zu", self->gpus++), id);
}

mlx_value_t *mlx_readings_topic(mlx_readings_t *self, const char *topic)
{
    return need(self, topic)->data;
}

mlx_value_t *mlx_readings_gpu(mlx_readings_t *self, const char *id)
{
    return need_gpu(self, id)->data;
}

const char *mlx_readings_gpu_topic(mlx_readings_t *self, const char *id)
{
    return need_gpu(self, id)->name;
}

bool mlx_readings_has(const mlx_readings_t *self, const char *topic, const char *field)
{
    const topic_t *found = find(self, topic);
    return found && mlx_value_get(found->data, field);
}

static void append(mlx_value_t *data, const char *list, mlx_value_t *item)
{
    mlx_value_t *items = mlx_value_get(data, list);
    if (!items)
        items = mlx_value_set(data, list, mlx_value_list());
    mlx_value_append(items, item);
}

void mlx_readings_item(mlx_readings_t *self, const char *topic, const char *list, mlx_value_t *item)
{
    append(need(self, topic)->data, list, item);
}

void mlx_readings_missing(mlx_readings_t *self, const char *topic, const char *field,
                          const char *why)
{
    mlx_value_t *missing = need(self, topic)->missing;
    if (!mlx_value_get(missing, field))
        mlx_value_set_str(missing, field, why);
}

/*  What a thing is called does not age. */
static bool ages(const char *field)
{
    static const char *const identities[] = {"name", "vendor", "backend", "id"};
    for (size_t i = 0; i < MLX_COUNT(identities); i++)
        if (strcmp(field, identities[i]) == 0)
            return false;
    return true;
}

void mlx_readings_held(mlx_readings_t *self, const char *topic, const char *field, double age_s)
{
    if (age_s > 0)
        mlx_value_set_real(need(self, topic)->held, field, age_s);
}

static void merge_data(topic_t *to, const topic_t *from, double age_s)
{
    mlx_value_t *data = to->data;
    const mlx_value_t *other = from->data;
    for (size_t i = 0; i < mlx_value_size(other); i++) {
        const char *field = mlx_value_key(other, i);
        const mlx_value_t *value = mlx_value_at(other, i);
        if (!mlx_value_get(data, field)) {
            mlx_value_set(data, field, mlx_value_copy(value));
            double age = 0; /* within FROM */
            mlx_value_real(from->held, field, &age);
            if (age + age_s > 0 && ages(field))
                mlx_value_set_real(to->held, field, age + age_s);
        } else if (mlx_value_type(value) == MLX_LIST) {
            for (size_t k = 0; k < mlx_value_size(value); k++)
                append(data, field, mlx_value_copy(mlx_value_at(value, k)));
        }
    }
}

void mlx_readings_merge_held(mlx_readings_t *self, const mlx_readings_t *other, double age_s)
{
    for (size_t i = 0; i < other->count; i++) {
        const topic_t *from = &other->topics[i];
        topic_t *to = from->gpu ? need_gpu(self, from->gpu) : need(self, from->name);
        merge_data(to, from, age_s);
        for (size_t k = 0; k < mlx_value_size(from->missing); k++)
            mlx_readings_missing(self, to->name, mlx_value_key(from->missing, k),
                                 mlx_value_as_str(mlx_value_at(from->missing, k), NULL));
    }
}

static bool is_visible(const topic_t *topic)
{
    return mlx_value_size(topic->data) || mlx_value_size(topic->missing);
}

size_t mlx_readings_count(const mlx_readings_t *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++)
        count += is_visible(&self->topics[i]);
    return count;
}

/*  Notes become the list "missing" of the data; those that another back end made good are left
 *  out. */
static void write_missing(topic_t *topic)
{
    mlx_value_remove(topic->data, "missing");
    for (size_t i = 0; i < mlx_value_size(topic->missing); i++) {
        const char *field = mlx_value_key(topic->missing, i);
        if (mlx_value_get(topic->data, field))
            continue;
        mlx_value_t *note = mlx_value_map();
        mlx_value_set_str(note, "field", field);
        mlx_value_set(note, "why", mlx_value_copy(mlx_value_at(topic->missing, i)));
        append(topic->data, "missing", note);
    }
}

static void write_held(topic_t *topic)
{
    mlx_value_remove(topic->data, "held");
    for (size_t i = 0; i < mlx_value_size(topic->held); i++) {
        mlx_value_t *note = mlx_value_map();
        mlx_value_set_str(note, "field", mlx_value_key(topic->held, i));
        mlx_value_set(note, "age", mlx_value_copy(mlx_value_at(topic->held, i)));
        append(topic->data, "held", note);
    }
}

const mlx_value_t *mlx_readings_at(mlx_readings_t *self, size_t index, const char **topic)
{
    for (size_t i = 0; i < self->count; i++) {
        if (!is_visible(&self->topics[i]) || index--)
            continue;
        write_missing(&self->topics[i]);
        write_held(&self->topics[i]);
        if (topic)
            *topic = self->topics[i].name;
        return self->topics[i].data;
    }
    return NULL;
}
