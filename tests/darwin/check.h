/*  check.h - run a macOS back end on the double and look at what it read */
#ifndef MLX_TESTS_CHECK_H
#define MLX_TESTS_CHECK_H

#include "double/dd.h"
#include "services/sampler/sensor.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define GIB ((int64_t)1 << 30)

extern const mlx_sensor_backend_t mlx_sensor_mach, mlx_sensor_ioaccel, mlx_sensor_ioreport,
    mlx_sensor_smc, mlx_sensor_hid, mlx_sensor_battery;

extern const mlx_sensor_env_t check_nowhere;

/*  One back end probed and sampled SAMPLES times, two seconds apart; NULL when its probe or its
 *  last sample failed, with the reason in *ERR. */
mlx_readings_t *read_one(const mlx_sensor_backend_t *backend, int samples, mlx_error_t *err);

/*  What the sampler would publish at its second tick, every field of it in the catalogue. */
mlx_readings_t *read_all(void);

/*  Data of a topic, or NULL; the entry INDEX of one of its lists. Borrowed. */
const mlx_value_t *topic(mlx_readings_t *readings, const char *name);
const mlx_value_t *item(const mlx_value_t *map, const char *list, size_t index);

/*  Fail the test unless the field is there with that value, or absent with a reason. */
void is_real(const mlx_value_t *map, const char *key, double expected);
void is_int(const mlx_value_t *map, const char *key, int64_t expected);
void is_text(const mlx_value_t *map, const char *key, const char *expected);
void is_missing(const mlx_value_t *map, const char *key);

/*  After each test: forget the machine. */
int check_teardown(void **unused);
#define TEST(function) cmocka_unit_test_teardown(function, check_teardown)

#endif
