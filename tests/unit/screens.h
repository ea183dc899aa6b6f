/*  screens.h - machines as the tests of what people see know them, and what must be on a screen */
#ifndef MLX_TESTS_UNIT_SCREENS_H
#define MLX_TESTS_UNIT_SCREENS_H

#include <stdio.h>
#include <string.h>

#include "put.h"

static inline void put_memory(mlx_overview_t *overview, int64_t age_us)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_int(d, "used", 14200000000);
    mlx_value_set_int(d, "total", 48000000000);
    put(overview, "sensor.memory", d, age_us);
}

static inline void put_health(mlx_overview_t *overview, const char *name, const char *state)
{
    char topic[64];
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_str(d, "state", state);
    snprintf(topic, sizeof topic, "service.%s.health", name);
    put(overview, topic, d, 0);
}

static inline void put_runtime(mlx_overview_t *overview, bool busy)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_bool(d, "reachable", true);
    mlx_value_set_str(d, "kind", "ollama");
    mlx_value_set_str(d, "url", "http://127.0.0.1:11434");
    mlx_value_t *model =
        mlx_value_append(mlx_value_set(d, "models", mlx_value_list()), mlx_value_map());
    mlx_value_set_str(model, "name", "deepseek-r1:14b");
    mlx_value_set_int(model, "size", 9000000000);
    put(overview, "runtime.ollama.127_0_0_1-11434.models", d, 0);
    d = mlx_value_map();
    mlx_value_set_bool(d, "busy", busy);
    mlx_value_set_str(d, "model", "deepseek-r1:14b");
    if (busy)
        mlx_value_set_real(d, "tokens_per_second", 42.3);
    mlx_value_set_str(d, "source", "runner");
    mlx_value_t *last = mlx_value_set(d, "last", mlx_value_map());
    mlx_value_set_int(last, "t", NOW - 5);
    mlx_value_set_real(last, "tokens_per_second", 40.5);
    put(overview, "runtime.ollama.127_0_0_1-11434.activity", d, 0);
}

static inline mlx_overview_t *seed_screen(bool busy)
{
    mlx_overview_t *overview = mlx_overview_new("vm");
    put_memory(overview, 0);
    put_runtime(overview, busy);
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_real(d, "utilization", 0.67);
    mlx_value_set_real(d, "temperature", 48);
    put(overview, "sensor.gpu.0", d, 0);
    d = mlx_value_map();
    mlx_value_set_int(d, "bytes", 21500000000);
    mlx_value_set_int(d, "saved", 43000000000);
    put(overview, "cache.status", d, 0);
    put_health(overview, "bus", "up");
    return overview;
}

static inline void put_request(mlx_value_t *running, const char *model, int tokens)
{
    mlx_value_t *request = mlx_value_append(running, mlx_value_map());
    mlx_value_set_str(request, "model", model);
    mlx_value_set_int(request, "tokens", tokens);
    mlx_value_set_real(request, "tokens_per_second", 64);
    mlx_value_set_real(request, "age", 5.1);
}

/*  Two requests to alpha:1b and one to beta:2b. */
static inline mlx_overview_t *two_models(void)
{
    mlx_overview_t *overview = seed_screen(false);
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_bool(d, "reachable", true);
    mlx_value_set_str(d, "kind", "ollama");
    mlx_value_t *models = mlx_value_set(d, "models", mlx_value_list());
    mlx_value_set_str(mlx_value_append(models, mlx_value_map()), "name", "alpha:1b");
    mlx_value_set_str(mlx_value_append(models, mlx_value_map()), "name", "beta:2b");
    put(overview, "runtime.ollama.127_0_0_1-11434.models", d, 0);
    d = mlx_value_map();
    mlx_value_set_bool(d, "busy", true);
    mlx_value_set_int(d, "requests", 3);
    mlx_value_set_real(d, "tokens_per_second", 192);
    mlx_value_t *running = mlx_value_set(d, "running", mlx_value_list());
    put_request(running, "alpha:1b", 310);
    put_request(running, "alpha:1b", 290);
    put_request(running, "beta:2b", 300);
    put(overview, "runtime.ollama.127_0_0_1-11434.activity", d, 0);
    return overview;
}

static inline void must_hold(const char *text, const char *const *wanted)
{
    for (; *wanted; wanted++)
        if (!strstr(text, *wanted))
            fail_msg("\"%s\" is not in\n%s", *wanted, text);
}

#define MUST_HOLD(text, ...) must_hold(text, (const char *const[]){__VA_ARGS__, NULL})

#endif
