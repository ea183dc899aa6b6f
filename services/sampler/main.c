/*  mlx-sampler: the sensors of this machine as a service. */
#include "sampler.h"

#include "common/service.h"

#include <time.h>

typedef struct {
    mlx_service_t *service;
    mlx_sampler_t *sampler;
    mlx_timer_t *timer;
} state_t;

static int64_t cost_us(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t))
        return 0;
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void publish(void *arg, const char *topic, const mlx_value_t *d)
{
    const state_t *self = arg;
    mlx_bus_publish(mlx_service_bus(self->service), topic, d);
}

static void on_presence(void *arg, const char *backend, const char *reason)
{
    const state_t *self = arg;
    if (reason)
        mlx_service_info(self->service, "no %s sensors: %s", backend, reason);
    else
        mlx_service_info(self->service, "%s sensors are read", backend);
}

static void on_error(void *arg, const char *backend, const mlx_error_t *err)
{
    const state_t *self = arg;
    mlx_service_error(self->service, backend, "%s: %s", backend, err->text);
}

static void on_tick(void *arg)
{
    state_t *self = arg;
    mlx_sampler_tick(self->sampler, mlx_now_us());
    mlx_service_degraded(self->service, mlx_sampler_degraded(self->sampler));
}

static void stop(void **state)
{
    state_t *self = *state;
    if (!self)
        return;
    mlx_loop_cancel(mlx_service_loop(self->service), &self->timer);
    mlx_sampler_destroy(&self->sampler);
    mlx_free_p(state);
}

static int start(mlx_service_t *service, void **state, mlx_error_t *err)
{
    (void)err;
    state_t *self = *state = mlx_alloc(1, sizeof *self);
    self->service = service;
    mlx_sampler_options_t options = {
        .env = {"/proc", "/sys", "libnvidia-ml.so.1"},
        .rate_hz = 1,
        .cost_us = cost_us,
        .publish = publish,
        .on_presence = on_presence,
        .on_error = on_error,
        .arg = self,
    };
    options.backends = mlx_sensor_backends(&options.count);
    self->sampler = mlx_sampler_new(&options);
    self->timer = mlx_loop_every(mlx_service_loop(service), mlx_sampler_period_ms(self->sampler),
                                 on_tick, self);
    on_tick(self); /* a late joiner need not wait for the first period */
    return 0;
}

static const mlx_service_spec_t spec = {
    .name = "sampler",
    .summary = "the sensors of this machine: GPU, memory, processor, temperature, power",
    .start = start,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return mlx_service_main(argc, argv, &spec);
}
