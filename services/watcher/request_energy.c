#include "request_energy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/held.h"

enum {
    METERS = 17,          /* sensor.power and sixteen GPUs */
    POINTS = 4096,        /* over an hour at one a second */
    SILENT_US = 15000000, /* the slowest sampler says something every ten seconds */
};

/*  A source of power, as heard last. */
typedef struct {
    char topic[64];
    double watts;
    double total; /* of the whole machine; NaN: it does not say */
    int64_t heard_us;
} meter_t;

/*  Joules that a request which ran all the time has cost up to this moment. Between two points of
 *  one stretch the energy grows evenly. */
typedef struct {
    int64_t t_us;
    double joules;
    unsigned stretch;
} point_t;

struct mlx_request_energy {
    meter_t meters[METERS];
    size_t meter_count;
    size_t running;
    unsigned stretch;
    double joules;
    point_t points[POINTS]; /* a ring */
    size_t first, count;
};

mlx_request_energy_t *mlx_request_energy_new(void)
{
    return mlx_alloc(1, sizeof(mlx_request_energy_t));
}

void mlx_request_energy_destroy(mlx_request_energy_t **self)
{
    mlx_free_p(self);
}

static const point_t *point_at(const mlx_request_energy_t *self, size_t index)
{
    return &self->points[(self->first + index) % POINTS];
}

static double watts_now(const mlx_request_energy_t *self, int64_t now_us)
{
    double parts = NAN;
    for (size_t i = 0; i < self->meter_count; i++) {
        const meter_t *meter = &self->meters[i];
        if (now_us - meter->heard_us > SILENT_US)
            continue;
        if (!isnan(meter->total))
            return meter->total;
        if (!isnan(meter->watts))
            parts = meter->watts + (isnan(parts) ? 0 : parts);
    }
    return parts;
}

/*  Bring the sum up to NOW_US with the power that was heard last. */
static void advance(mlx_request_energy_t *self, int64_t now_us)
{
    double watts = watts_now(self, now_us);
    if (self->count > 0) {
        int64_t passed = now_us - point_at(self, self->count - 1)->t_us;
        if (isnan(watts) || passed > SILENT_US)
            self->stretch++;
        else if (passed > 0 && self->running > 0)
            self->joules += watts * (double)passed * 1e-6 / (double)self->running;
    }
    if (isnan(watts))
        return;
    if (self->count == POINTS) {
        self->first = (self->first + 1) % POINTS;
        self->count--;
    }
    self->points[(self->first + self->count++) % POINTS] =
        (point_t){.t_us = now_us, .joules = self->joules, .stretch = self->stretch};
}

static meter_t *meter_of(mlx_request_energy_t *self, const char *topic)
{
    for (size_t i = 0; i < self->meter_count; i++)
        if (strcmp(self->meters[i].topic, topic) == 0)
            return &self->meters[i];
    if (self->meter_count == METERS || strlen(topic) >= sizeof self->meters[0].topic)
        return NULL;
    meter_t *meter = &self->meters[self->meter_count++];
    snprintf(meter->topic, sizeof meter->topic, "%s", topic);
    return meter;
}

static double fresh(const mlx_value_t *d, const char *key)
{
    double value = NAN;
    if (mlx_held_age(d, key) <= MLX_HELD_STALE_S)
        mlx_value_real(d, key, &value);
    return value >= 0 ? value : NAN;
}

void mlx_request_energy_hear(mlx_request_energy_t *self, const char *topic, const mlx_value_t *d,
                             int64_t now_us)
{
    bool gpu = strncmp(topic, "sensor.gpu.", strlen("sensor.gpu.")) == 0;
    if (!gpu && strcmp(topic, "sensor.power") != 0)
        return;
    advance(self, now_us);
    meter_t *meter = meter_of(self, topic);
    if (!meter)
        return;
    meter->watts = fresh(d, gpu ? "power" : "package");
    meter->total = gpu ? NAN : fresh(d, "total");
    meter->heard_us = now_us;
}

void mlx_request_energy_running(mlx_request_energy_t *self, size_t count, int64_t now_us)
{
    if (count == self->running)
        return;
    advance(self, now_us);
    self->running = count;
}

/*  The sum at T_US; false outside of what is known. */
static bool sum_at(const mlx_request_energy_t *self, int64_t t_us, double *joules,
                   unsigned *stretch)
{
    size_t low = 0, high = self->count;
    while (low < high) { /* the first point behind t_us */
        size_t middle = low + (high - low) / 2;
        if (point_at(self, middle)->t_us > t_us)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == 0)
        return false;
    const point_t *before = point_at(self, low - 1);
    *joules = before->joules;
    *stretch = before->stretch;
    if (low == self->count)
        return t_us - before->t_us <= SILENT_US;
    const point_t *after = point_at(self, low);
    double share = (double)(t_us - before->t_us) / (double)(after->t_us - before->t_us);
    *joules += (after->joules - before->joules) * share;
    return after->stretch == before->stretch || t_us == before->t_us;
}

double mlx_request_energy_of(const mlx_request_energy_t *self, int64_t start_us, int64_t end_us)
{
    double from, to;
    unsigned first, last;
    bool known = sum_at(self, start_us, &from, &first) && sum_at(self, end_us, &to, &last);
    return known && first == last ? to - from : NAN;
}
