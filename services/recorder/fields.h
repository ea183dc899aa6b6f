/*  fields.h - the numbers in a message, by their path
 *
 *  The catalogue says which fields are numbers and which items of a list can be told apart:
 *      utilization                          a field
 *      last[qwen3:8b].tokens_per_second     of a map with labels
 *      models[qwen3:8b,Q4_K_M].vram         of an item of a list with labels
 *      throttle                             a list: how many items it has (never recorded)
 *  Items without labels (cores, processes) have no history of their own.
 *
 *      mlx_fields_each(mlx_catalogue_find(topic), d, on_number, self);
 */
#ifndef MLX_RECORDER_FIELDS_H
#define MLX_RECORDER_FIELDS_H

#include "proto/buf.h"
#include "proto/catalogue.h"

typedef void (*mlx_number_fn)(void *arg, const char *path, const mlx_field_t *field, double value);

/*  Call FN for each number of D. TOPIC NULL: none. A false is 0, a true 1. PATH is borrowed. */
void mlx_fields_each(const mlx_topic_t *topic, const mlx_value_t *d, mlx_number_fn fn, void *arg);

/*  Is FIELD kept as history? Times of day, identities and list sizes are not. */
bool mlx_field_recorded(const mlx_field_t *field);

/*  Does PATH, less its labels in brackets, read FIELD? */
bool mlx_path_is(const char *path, const char *field);

/*  Append "host/topic/"; a host name is outside input. */
void mlx_series_prefix(mlx_buf_t *out, const char *host, const char *topic);

#endif
