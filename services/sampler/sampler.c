#include "sampler.h"

#include <math.h>
#include <stdlib.h>

#define FIRST_RETRY_US 1000000
#define LAST_RETRY_US 60000000
#define LONGEST_US 600e6 /* a sample is never further away, whatever the last one cost */
#define COST_SHARE 0.01  /* of one core, for each back end */
#define COST_WEIGHT 0.25 /* of the newest cost in the running mean */

typedef struct {
    const mlx_sensor_backend_t *backend;
    void *state; /* NULL: not there */
    mlx_readings_t *readings;
    int64_t due; /* number of the tick */
    int64_t sampled_us;
    int64_t retry_us;
    double cost_us; /* running mean; negative before the first sample */
    bool told;      /* its absence was told */
    bool worked;    /* a sample succeeded once */
    char *trouble;  /* "NAME: reason" while it is absent */
} slot_t;

struct mlx_sampler {
    mlx_sampler_options_t options;
    int64_t period_us;
    int64_t tick; /* pace is counted in ticks, so that their wobble skips no sample */
    slot_t *slots;
    mlx_readings_t *all;
};

mlx_sampler_t *mlx_sampler_new(const mlx_sampler_options_t *options)
{
    mlx_sampler_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    self->period_us = llround(1e6 / options->rate_hz);
    self->slots = mlx_alloc(options->count, sizeof *self->slots);
    self->all = mlx_readings_new();
    for (size_t i = 0; i < options->count; i++)
        self->slots[i] = (slot_t){
            .backend = options->backends[i],
            .readings = mlx_readings_new(),
            .retry_us = FIRST_RETRY_US,
            .cost_us = -1,
        };
    return self;
}

static void close_backend(slot_t *slot)
{
    if (slot->state)
        slot->backend->close(&slot->state);
    mlx_readings_reset(slot->readings);
}

void mlx_sampler_destroy(mlx_sampler_t **self)
{
    if (!*self)
        return;
    for (size_t i = 0; i < (*self)->options.count; i++) {
        slot_t *slot = &(*self)->slots[i];
        close_backend(slot);
        mlx_readings_destroy(&slot->readings);
        free(slot->trouble);
    }
    free((*self)->slots);
    mlx_readings_destroy(&(*self)->all);
    free(*self);
    *self = NULL;
}

int64_t mlx_sampler_period_ms(const mlx_sampler_t *self)
{
    return (self->period_us + 500) / 1000;
}

/*  Ticks in a span, at least 1. */
static int64_t ticks(const mlx_sampler_t *self, int64_t span_us)
{
    return span_us <= self->period_us ? 1 : (span_us + self->period_us - 1) / self->period_us;
}

/*  The back end is absent, for the reason in ERR: note it and look again later. */
static void lose(const mlx_sampler_t *self, slot_t *slot, const mlx_error_t *err)
{
    close_backend(slot);
    mlx_sensor_absent(slot->backend, err->text, slot->readings);
    free(slot->trouble);
    slot->trouble = mlx_format("%s: %s", slot->backend->name, err->text);
    slot->due = self->tick + ticks(self, slot->retry_us);
    slot->retry_us = slot->retry_us < LAST_RETRY_US / 2 ? slot->retry_us * 2 : LAST_RETRY_US;
}

static bool find(const mlx_sampler_t *self, slot_t *slot)
{
    const mlx_sampler_options_t *options = &self->options;
    mlx_error_t err = {0};
    if (slot->backend->probe(&slot->state, &options->env, &err)) {
        lose(self, slot, &err);
        if (!slot->told)
            options->on_presence(options->arg, slot->backend->name, err.text);
        slot->told = true;
        return false;
    }
    return true;
}

/*  The time the back end wants between samples. */
static int64_t pace_us(const slot_t *slot)
{
    double period = fmax(slot->backend->min_period_s * 1e6, slot->cost_us / COST_SHARE);
    return llround(fmin(period, LONGEST_US));
}

static void sample(mlx_sampler_t *self, slot_t *slot, int64_t now_us)
{
    const mlx_sampler_options_t *options = &self->options;
    mlx_error_t err = {0};
    mlx_readings_reset(slot->readings);
    slot->sampled_us = now_us;
    int64_t start = options->cost_us();
    int rc = slot->backend->sample(slot->state, now_us, slot->readings, &err);
    double cost = (double)(options->cost_us() - start);
    slot->cost_us = slot->cost_us < 0 ? cost : slot->cost_us + COST_WEIGHT * (cost - slot->cost_us);
    if (rc) {
        options->on_error(options->arg, slot->backend->name, &err);
        lose(self, slot, &err);
        return;
    }
    if (!slot->worked || slot->trouble)
        options->on_presence(options->arg, slot->backend->name, NULL);
    mlx_free_p(&slot->trouble);
    slot->worked = true;
    slot->told = false;
    slot->retry_us = FIRST_RETRY_US;
    slot->due = self->tick + ticks(self, pace_us(slot));
}

static void publish(mlx_sampler_t *self, int64_t now_us)
{
    mlx_readings_reset(self->all);
    for (size_t i = 0; i < self->options.count; i++) {
        const slot_t *slot = &self->slots[i];
        double age_s = (double)(now_us - slot->sampled_us) * 1e-6;
        mlx_readings_merge_held(self->all, slot->readings, age_s);
    }
    mlx_sensor_derive(self->all);
    for (size_t i = 0; i < mlx_readings_count(self->all); i++) {
        const char *topic;
        const mlx_value_t *d = mlx_readings_at(self->all, i, &topic);
        self->options.publish(self->options.arg, topic, d);
    }
}

void mlx_sampler_tick(mlx_sampler_t *self, int64_t now_us)
{
    for (size_t i = 0; i < self->options.count; i++) {
        slot_t *slot = &self->slots[i];
        if (slot->due > self->tick)
            continue;
        if (slot->state || find(self, slot))
            sample(self, slot, now_us);
    }
    publish(self, now_us);
    self->tick++;
}

const char *mlx_sampler_degraded(const mlx_sampler_t *self)
{
    for (size_t i = 0; i < self->options.count; i++)
        if (self->slots[i].worked && self->slots[i].trouble)
            return self->slots[i].trouble;
    return NULL;
}
