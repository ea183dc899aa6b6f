/*  value.h - one tree of values: what msgpack, JSON and YAML have in common
 *
 *  Every message, every JSON body and every command travels as this tree, so that there is one set
 *  of typed getters and one set of limits. A map keeps its order of insertion; keys are unique.
 *  A value that is not available is absent from its map: the setters below skip NaN, infinities and
 *  NULL strings, the getters return false. Nothing is ever 0 because it was unknown.
 *
 *      mlx_value_t *d = mlx_value_map();
 *      mlx_value_set_real(d, "utilization", 0.67);
 *      double u;
 *      if (mlx_value_real(d, "utilization", &u)) ...
 *      mlx_value_destroy(&d);
 */
#ifndef MLX_PROTO_VALUE_H
#define MLX_PROTO_VALUE_H

#include "proto/base.h"

typedef enum {
    MLX_NULL,
    MLX_BOOL,
    MLX_INT,
    MLX_REAL,
    MLX_STR,
    MLX_LIST,
    MLX_MAP,
} mlx_type_t;

typedef struct mlx_value mlx_value_t;

/*  Constructors. Caller owns the result and must destroy it or give it to a container. */
mlx_value_t *mlx_value_null(void);
mlx_value_t *mlx_value_new_bool(bool b);
mlx_value_t *mlx_value_new_int(int64_t i);
mlx_value_t *mlx_value_new_real(double r);
mlx_value_t *mlx_value_new_str(const char *s);
mlx_value_t *mlx_value_new_strn(const char *s, size_t len); /* may hold NUL bytes */
mlx_value_t *mlx_value_list(void);
mlx_value_t *mlx_value_map(void);
mlx_value_t *mlx_value_copy(const mlx_value_t *value); /* deep; NULL gives NULL */

/*  Destroy the tree and reset the pointer; also fit for MLX_CLEANUP. */
void mlx_value_destroy(mlx_value_t **self);

mlx_type_t mlx_value_type(const mlx_value_t *value); /* NULL pointer: MLX_NULL */
bool mlx_value_equal(const mlx_value_t *a, const mlx_value_t *b);

/*  About how many bytes of memory the tree takes. */
size_t mlx_value_footprint(const mlx_value_t *value);

/*  Containers. set and append take ownership of ITEM; set replaces an entry of the same key. Both
 *  return ITEM, still owned by the container. get and at return a borrowed value or NULL. */
mlx_value_t *mlx_value_set(mlx_value_t *map, const char *key, mlx_value_t *item);
mlx_value_t *mlx_value_append(mlx_value_t *list, mlx_value_t *item);
mlx_value_t *mlx_value_get(const mlx_value_t *map, const char *key);
mlx_value_t *mlx_value_at(const mlx_value_t *container, size_t index);
const char *mlx_value_key(const mlx_value_t *map, size_t index);
size_t mlx_value_size(const mlx_value_t *container); /* entries; 0 for a scalar or NULL */
void mlx_value_remove(mlx_value_t *map, const char *key);

/*  Like set for a KEY that the caller knows to be new: takes no search, so that a parser that has
 *  checked for duplicates builds a map of n keys in n steps. */
mlx_value_t *mlx_value_add(mlx_value_t *map, const char *key, mlx_value_t *item);

/*  Setters that leave the key absent for what is not a value: NaN, infinity, NULL. */
void mlx_value_set_bool(mlx_value_t *map, const char *key, bool b);
void mlx_value_set_int(mlx_value_t *map, const char *key, int64_t i);
void mlx_value_set_real(mlx_value_t *map, const char *key, double r);
void mlx_value_set_str(mlx_value_t *map, const char *key, const char *s);

/*  Typed getters: true and *OUT set when the key is there with that type, else false and *OUT
 *  untouched. real also takes an int; int also takes a real that is a whole number. */
bool mlx_value_bool(const mlx_value_t *map, const char *key, bool *out);
bool mlx_value_int(const mlx_value_t *map, const char *key, int64_t *out);
bool mlx_value_real(const mlx_value_t *map, const char *key, double *out);

/*  The same as mlx_value_real for who goes on with NaN. */
double mlx_value_real_or_nan(const mlx_value_t *map, const char *key);

/*  Borrowed string, or NULL when absent or no string. len may be NULL. */
const char *mlx_value_str(const mlx_value_t *map, const char *key);

/*  Scalars themselves: the same rules, without a map. */
bool mlx_value_as_bool(const mlx_value_t *value, bool *out);
bool mlx_value_as_int(const mlx_value_t *value, int64_t *out);
bool mlx_value_as_real(const mlx_value_t *value, double *out);
const char *mlx_value_as_str(const mlx_value_t *value, size_t *len);

#endif
