#include "common/base/held.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double mlx_held_age(const mlx_value_t *d, const char *field)
{
    const mlx_value_t *held = mlx_value_get(d, "held");
    for (size_t i = 0; i < mlx_value_size(held); i++) {
        const mlx_value_t *note = mlx_value_at(held, i);
        const char *name = mlx_value_str(note, "field");
        double age = 0;
        if (name && strcmp(name, field) == 0 && mlx_value_real(note, "age", &age))
            return isfinite(age) && age > 0 ? age : 0;
    }
    return 0;
}

static void note_missing(mlx_value_t *d, const char *field, double age)
{
    mlx_value_t *missing = mlx_value_get(d, "missing");
    if (mlx_value_type(missing) != MLX_LIST)
        missing = mlx_value_set(d, "missing", mlx_value_list());
    mlx_value_t *note = mlx_value_append(missing, mlx_value_map());
    MLX_CLEANUP(mlx_free_p) char *why = mlx_format("last measured %.0f s ago", age);
    mlx_value_set_str(note, "field", field);
    mlx_value_set_str(note, "why", why);
}

void mlx_held_drop_stale(mlx_value_t *d)
{
    const mlx_value_t *held = mlx_value_get(d, "held");
    size_t count = mlx_value_type(held) == MLX_LIST ? mlx_value_size(held) : 0;
    for (size_t i = 0; i < count; i++) {
        MLX_CLEANUP(mlx_free_p)
        char *field = mlx_strdup(mlx_value_str(mlx_value_at(held, i), "field"));
        if (!field)
            continue;
        double age = mlx_held_age(d, field);
        if (age <= MLX_HELD_STALE_S || !mlx_value_get(d, field) || strcmp(field, "held") == 0 ||
            strcmp(field, "missing") == 0)
            continue;
        mlx_value_remove(d, field);
        note_missing(d, field, age);
        held = mlx_value_get(d, "held"); /* the map moved */
    }
}
