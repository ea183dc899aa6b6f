#include "screen.h"

#include <math.h>

void screen_put(mlx_overview_t *overview, const char *topic, mlx_value_t *d)
{
    mlx_message_t message = {.topic = (char *)topic,
                             .host = (char *)SCREEN_HOST,
                             .src = (char *)"test",
                             .boot = (char *)"0",
                             .seq = 1,
                             .t = SCREEN_NOW,
                             .d = d};
    mlx_overview_put(overview, &message);
    mlx_value_destroy(&d);
}

mlx_value_t *screen_memory(void)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_int(d, "used", 14200000000);
    mlx_value_set_int(d, "total", 48000000000);
    return d;
}

mlx_value_t *screen_models(const char *model)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_bool(d, "reachable", true);
    mlx_value_set_str(d, "kind", "ollama");
    mlx_value_set_str(d, "url", "http://127.0.0.1:11434");
    mlx_value_t *entry =
        mlx_value_append(mlx_value_set(d, "models", mlx_value_list()), mlx_value_map());
    mlx_value_set_str(entry, "name", model);
    return d;
}

mlx_value_t *screen_activity(const char *model, double rate)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_bool(d, "busy", !isnan(rate));
    mlx_value_set_str(d, "model", model);
    mlx_value_set_real(d, "tokens_per_second", rate);
    mlx_value_set_str(d, "source", "runner");
    return d;
}

mlx_value_t *screen_gpu(double temperature)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_real(d, "utilization", 0.67);
    mlx_value_set_real(d, "temperature", temperature);
    return d;
}

mlx_value_t *screen_cache(void)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_int(d, "bytes", 21500000000);
    mlx_value_set_int(d, "saved", 43000000000);
    return d;
}

mlx_value_t *screen_health(const char *state)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_str(d, "state", state);
    return d;
}

mlx_overview_t *screen_new(const char *model, double rate)
{
    mlx_overview_t *overview = mlx_overview_new(SCREEN_HOST);
    screen_put(overview, "sensor.memory", screen_memory());
    screen_put(overview, "runtime.ollama.local.models", screen_models(model));
    screen_put(overview, "runtime.ollama.local.activity", screen_activity(model, rate));
    screen_put(overview, "sensor.gpu.0", screen_gpu(48));
    screen_put(overview, "cache.status", screen_cache());
    screen_put(overview, "service.bus.health", screen_health("up"));
    return overview;
}
