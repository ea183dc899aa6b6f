/*  mlx-sampler: the sensors of this machine as a service. */
#include "common/base/clock.h"
#include "sampler.h"

#include "common/bus/service.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    mlx_service_t *service;
    const mlx_sensor_backend_t **backends; /* those that are not disabled */
    size_t count;
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
        mlx_service_info(self->service, "reading %s sensors", backend);
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
    free(self->backends);
    mlx_free_p(state);
}

static bool lists(const mlx_value_t *names, const char *name)
{
    for (size_t i = 0; i < mlx_value_size(names); i++)
        if (strcmp(mlx_value_as_str(mlx_value_at(names, i), NULL), name) == 0)
            return true;
    return false;
}

/*  A name in sampler.disable that no back end has is a mistake worth telling. */
static int check_names(const mlx_value_t *names, const mlx_sensor_backend_t *const *all,
                       size_t count, mlx_error_t *err)
{
    for (size_t i = 0; i < mlx_value_size(names); i++) {
        const char *name = mlx_value_as_str(mlx_value_at(names, i), NULL);
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t known = {0};
        bool found = false;
        for (size_t k = 0; k < count; k++) {
            mlx_buf_printf(&known, "%s%s", k ? ", " : "", all[k]->name);
            found = found || strcmp(all[k]->name, name) == 0;
        }
        if (found)
            continue;
        mlx_error_set(err, MLX_ERR_USAGE, "sampler.disable: there are no sensors \"%.64s\"", name);
        return mlx_error_hint(err, "those of this system are %s", mlx_buf_str(&known));
    }
    return 0;
}

static int choose_backends(state_t *self, mlx_error_t *err)
{
    const mlx_value_t *disabled =
        mlx_config_value(mlx_service_config(self->service), "sampler.disable");
    size_t count;
    const mlx_sensor_backend_t *const *all = mlx_sensor_backends(&count);
    self->backends = mlx_alloc(count, sizeof self->backends[0]);
    for (size_t i = 0; i < count; i++)
        if (!lists(disabled, all[i]->name))
            self->backends[self->count++] = all[i];
    return check_names(disabled, all, count, err);
}

static int start(mlx_service_t *service, void **state, mlx_error_t *err)
{
    state_t *self = *state = mlx_alloc(1, sizeof *self);
    self->service = service;
    if (choose_backends(self, err))
        return -1;
    mlx_sampler_options_t options = {
        .backends = self->backends,
        .count = self->count,
        .env = {"/proc", "/sys", "libnvidia-ml.so.1", NULL},
        .rate_hz = mlx_config_real(mlx_service_config(service), "sampler.rate_hz"),
        .cost_us = cost_us,
        .publish = publish,
        .on_presence = on_presence,
        .on_error = on_error,
        .arg = self,
    };
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
