/*  sampler.h - runs the sensor back ends, each at its own pace, and puts their readings together
 *
 *  One tick a period of the rate. In it each back end that is due is sampled, then what all of them
 *  said last is merged and handed on, topic by topic. A back end is due every max(period of the
 *  rate, its min_period_s, 100 times what a sample of it costs): none takes more than 1 % of a
 *  core. One that is absent is looked for again after 1, 2, 4, ... 60 s; one that fails is
 *  closed and looked for in the same way, and its readings are gone meanwhile.
 *
 *      mlx_sampler_t *sampler = mlx_sampler_new(&options);
 *      mlx_sampler_tick(sampler, mlx_now_us());          from a timer
 *      mlx_sampler_destroy(&sampler);
 *
 *  Logic reads no clock: NOW_US comes in, and the cost of samples is measured by a function given.
 */
#ifndef MLX_SAMPLER_SAMPLER_H
#define MLX_SAMPLER_SAMPLER_H

#include "common/base/clock.h"
#include "sensor.h"

typedef struct mlx_sampler mlx_sampler_t;

typedef struct {
    const mlx_sensor_backend_t *const *backends; /* in order of trust; borrowed, as ENV's strings */
    size_t count;
    mlx_sensor_env_t env;
    double rate_hz;           /* 0.1 to 10 */
    int64_t (*cost_us)(void); /* CPU time of this thread in microseconds */

    /*  D is borrowed for the call. */
    void (*publish)(void *arg, const char *topic, const mlx_value_t *d);
    /*  A back end was found (REASON NULL) or is absent, said at the start and at each change. */
    void (*on_presence)(void *arg, const char *backend, const char *reason);
    /*  A back end that was there failed. */
    void (*on_error)(void *arg, const char *backend, const mlx_error_t *err);
    void *arg;
} mlx_sampler_options_t;

/*  Constructor; looks for nothing yet. OPTIONS is copied. Caller owns it and must destroy it. */
mlx_sampler_t *mlx_sampler_new(const mlx_sampler_options_t *options);
void mlx_sampler_destroy(mlx_sampler_t **self);

/*  The time between two ticks in milliseconds: 1000 / rate_hz. */
int64_t mlx_sampler_period_ms(const mlx_sampler_t *self);

/*  Sample what is due and publish. NOW_US is monotonic. */
void mlx_sampler_tick(mlx_sampler_t *self, int64_t now_us);

/*  Why the readings are less than they were: "NAME: reason" of a back end that worked once and does
 *  not now; NULL when there is none. Borrowed until the next tick. */
const char *mlx_sampler_degraded(const mlx_sampler_t *self);

#endif
