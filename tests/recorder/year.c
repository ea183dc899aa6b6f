#include "year.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    FLUSH_SAMPLES = 10000 /* time is compressed, and so are the flushes */
};

#define DAY_MS INT64_C(86400000)

typedef enum {
    CONSTANT,
    PAGES,       /* bytes in pages of 4096 that wander */
    RATIO,       /* noisy utilisation */
    QUIET_RATIO, /* mostly 0 */
    DEGREES,     /* whole degrees that wander slowly */
    FINE_DEGREES,
    WATTS,
    COUNTER,
    UPTIME,
    SPEED, /* tokens per second, only while busy */
} kind_t;

static const struct {
    kind_t kind;
    mlx_unit_t unit;
    mlx_type_t type;
} kinds[] = {
    {RATIO, MLX_UNIT_RATIO, MLX_REAL},
    {CONSTANT, MLX_UNIT_BYTES, MLX_INT},
    {PAGES, MLX_UNIT_BYTES, MLX_INT},
    {DEGREES, MLX_UNIT_CELSIUS, MLX_REAL},
    {WATTS, MLX_UNIT_WATTS, MLX_REAL},
    {COUNTER, MLX_UNIT_NONE, MLX_INT},
    {QUIET_RATIO, MLX_UNIT_RATIO, MLX_REAL},
    {CONSTANT, MLX_UNIT_HERTZ, MLX_REAL},
    {SPEED, MLX_UNIT_TOKENS_PER_SECOND, MLX_REAL},
    {UPTIME, MLX_UNIT_SECONDS, MLX_REAL},
    {PAGES, MLX_UNIT_BYTES, MLX_INT},
    {FINE_DEGREES, MLX_UNIT_CELSIUS, MLX_REAL},
    {RATIO, MLX_UNIT_RATIO, MLX_REAL},
    {CONSTANT, MLX_UNIT_BYTES, MLX_INT},
    {QUIET_RATIO, MLX_UNIT_RATIO, MLX_REAL},
    {COUNTER, MLX_UNIT_JOULES, MLX_REAL},
};

typedef struct {
    kind_t kind;
    mlx_track_t *track;
    double value;
} source_t;

struct year {
    mlx_history_t *history;
    source_t *sources;
    size_t n;
    uint64_t seed;
    int64_t samples;
};

static uint64_t roll(year_t *self)
{
    self->seed ^= self->seed >> 12;
    self->seed ^= self->seed << 25;
    self->seed ^= self->seed >> 27;
    return self->seed * 0x2545f4914f6cdd1d;
}

/*  Roughly normal: the sum of four. */
static double noise(year_t *self)
{
    uint64_t bits = roll(self);
    double sum = 0;
    for (int i = 0; i < 4; i++, bits >>= 16)
        sum += (double)(bits & 0xffff) / 65536.0 - 0.5;
    return sum * 1.7;
}

year_t *year_new(mlx_history_t *history, size_t series)
{
    year_t *self = mlx_alloc(1, sizeof *self);
    self->history = history;
    self->seed = 1;
    self->n = series;
    self->sources = mlx_alloc(series, sizeof *self->sources);
    for (size_t i = 0; i < series; i++) {
        size_t k = i % MLX_COUNT(kinds);
        MLX_CLEANUP(mlx_free_p) char *name = mlx_format("host/sensor.test/%zu", i);
        self->sources[i] =
            (source_t){.kind = kinds[k].kind,
                       .track = mlx_history_track(history, name, kinds[k].unit, kinds[k].type)};
    }
    return self;
}

void year_destroy(year_t **self)
{
    free((*self)->sources);
    free(*self);
    *self = NULL;
}

static bool next_value(year_t *self, source_t *source, bool busy, double step_s, double *value)
{
    double load = busy ? 0.6 : 0.05;
    switch (source->kind) {
    case CONSTANT:
        source->value = 68719476736;
        break;
    case PAGES:
        if (source->value < 1)
            source->value = 2e6;
        source->value = floor(fmax(source->value + noise(self) * 300, 1e6));
        *value = source->value * 4096;
        return true;
    case RATIO:
        source->value = fmin(fmax(load + noise(self) * load / 4, 0), 1);
        break;
    case QUIET_RATIO:
        source->value = roll(self) % 8 ? 0 : (double)(roll(self) % 100) / 1e4;
        break;
    case DEGREES:
        source->value += (40 + load * 50 - source->value) * 0.02 + noise(self) * 0.1;
        *value = round(source->value);
        return true;
    case FINE_DEGREES:
        source->value += (40 + load * 50 - source->value) * 0.02 + noise(self) * 0.3;
        *value = round(source->value * 8) / 8;
        return true;
    case WATTS:
        source->value = 8 + load * 60 + noise(self) * load * 10;
        break;
    case COUNTER:
        source->value += floor((8 + load * 60 + noise(self)) * step_s);
        break;
    case UPTIME:
        source->value += step_s;
        break;
    case SPEED:
        source->value = round((42 + noise(self) * 2) * 10) / 10;
        *value = source->value;
        return busy;
    }
    *value = source->value;
    return true;
}

static void flush(year_t *self, int64_t now)
{
    mlx_error_t err = {0};
    if (mlx_history_flush(self->history, now, &err) || mlx_history_retain(self->history, now, &err))
        mlx_panic("%s", err.text);
}

void year_run(year_t *self, int64_t from_ms, int64_t to_ms, int64_t step_ms)
{
    for (int64_t t = from_ms; t < to_ms; t += step_ms) {
        /* Busy ten minutes of each half hour between 8 and 20 o'clock. */
        bool busy = t % DAY_MS > DAY_MS / 3 && t % DAY_MS < DAY_MS * 5 / 6 && t / 600000 % 3 == 0;
        int64_t jitter = (int64_t)(roll(self) % 8 == 0);
        for (size_t i = 0; i < self->n; i++) {
            double value;
            source_t *source = &self->sources[i];
            if (!next_value(self, source, busy, (double)step_ms / 1000, &value))
                continue;
            mlx_history_add(self->history, source->track, t + jitter, value);
            self->samples++;
        }
        if (mlx_history_waiting(self->history) >= FLUSH_SAMPLES)
            flush(self, t);
    }
    flush(self, to_ms);
}

int64_t year_samples(const year_t *self)
{
    return self->samples;
}

mlx_track_t *year_track(const year_t *self)
{
    return self->sources[0].track;
}

int64_t year_memory(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        mlx_panic("/proc/self/statm cannot be read");
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}
