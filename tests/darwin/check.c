#include "check.h"
#include "proto/catalogue.h"

#include <math.h>
#include <string.h>

const mlx_sensor_env_t check_nowhere = {"/nonexistent", "/nonexistent", "nonexistent", NULL};

mlx_readings_t *read_one(const mlx_sensor_backend_t *backend, int samples, mlx_error_t *err)
{
    void *state = NULL;
    if (backend->probe(&state, &check_nowhere, err)) {
        assert_null(state);
        assert_string_not_equal(err->text, "");
        return NULL;
    }
    mlx_readings_t *out = mlx_readings_new();
    int result = 0;
    for (int i = 0; i < samples; i++) {
        mlx_readings_reset(out);
        result = backend->sample(state, 1000000 + 2000000 * (int64_t)i, out, err);
    }
    backend->close(&state);
    assert_null(state);
    if (result)
        mlx_readings_destroy(&out);
    return out;
}

/*  A key that the catalogue does not have is a misspelled one. */
static void keys_are_known(const char *where, const mlx_field_t *fields, const mlx_value_t *map)
{
    for (size_t i = 0; i < mlx_value_size(map); i++) {
        const mlx_field_t *field = mlx_field_find(fields, mlx_value_key(map, i));
        const mlx_value_t *value = mlx_value_at(map, i);
        if (!field)
            fail_msg("%s: the catalogue has no \"%s\"", where, mlx_value_key(map, i));
        for (size_t k = 0; mlx_value_type(value) == MLX_LIST && k < mlx_value_size(value); k++)
            keys_are_known(where, field->fields, mlx_value_at(value, k));
    }
}

static void is_in_catalogue(mlx_readings_t *readings)
{
    for (size_t i = 0; i < mlx_readings_count(readings); i++) {
        mlx_error_t err = {0};
        const char *name;
        const mlx_value_t *data = mlx_readings_at(readings, i, &name);
        const mlx_topic_t *known = mlx_catalogue_find(name);
        assert_non_null(known);
        if (mlx_catalogue_check(known, data, &err))
            fail_msg("%s", err.text);
        keys_are_known(name, known->fields, data);
    }
}

mlx_readings_t *read_all(void)
{
    size_t count;
    const mlx_sensor_backend_t *const *backends = mlx_sensor_backends(&count);
    mlx_readings_t *sum = mlx_readings_new();
    for (size_t i = 0; i < count; i++) {
        mlx_error_t err = {0};
        mlx_readings_t *one = read_one(backends[i], 2, &err);
        if (!one) {
            one = mlx_readings_new();
            mlx_sensor_absent(backends[i], err.text, one);
        }
        mlx_readings_merge_held(sum, one, 0);
        mlx_readings_destroy(&one);
    }
    mlx_sensor_derive(sum);
    is_in_catalogue(sum);
    return sum;
}

const mlx_value_t *topic(mlx_readings_t *readings, const char *name)
{
    for (size_t i = 0; i < mlx_readings_count(readings); i++) {
        const char *at;
        const mlx_value_t *data = mlx_readings_at(readings, i, &at);
        if (strcmp(at, name) == 0)
            return data;
    }
    return NULL;
}

void is_real(const mlx_value_t *map, const char *key, double expected)
{
    double value = NAN;
    if (!mlx_value_real(map, key, &value) || fabs(value - expected) > 1e-9 * fabs(expected) + 1e-9)
        fail_msg("%s is %.12g, not %.12g", key, value, expected);
}

void is_int(const mlx_value_t *map, const char *key, int64_t expected)
{
    int64_t value = INT64_MIN;
    assert_true(mlx_value_type(mlx_value_get(map, key)) == MLX_INT);
    mlx_value_int(map, key, &value);
    if (value != expected)
        fail_msg("%s is %lld, not %lld", key, (long long)value, (long long)expected);
}

void is_text(const mlx_value_t *map, const char *key, const char *expected)
{
    const char *value = mlx_value_str(map, key);
    if (!value)
        fail_msg("%s is absent", key);
    else
        assert_string_equal(value, expected);
}

void is_missing(const mlx_value_t *map, const char *key)
{
    if (mlx_value_get(map, key))
        fail_msg("%s is there", key);
    const mlx_value_t *notes = mlx_value_get(map, "missing");
    for (size_t i = 0; i < mlx_value_size(notes); i++) {
        const char *field = mlx_value_str(mlx_value_at(notes, i), "field");
        if (field && strcmp(field, key) == 0)
            return;
    }
    fail_msg("%s is absent without a reason", key);
}

const mlx_value_t *item(const mlx_value_t *map, const char *list, size_t index)
{
    return mlx_value_at(mlx_value_get(map, list), index);
}

int check_teardown(void **unused)
{
    (void)unused;
    dd_reset();
    return 0;
}
