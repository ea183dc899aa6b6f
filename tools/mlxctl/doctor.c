#include "doctor.h"

#include "common/base/units.h"
#include "common/view/overview_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*  The daemons of the suite, and what is missing without one. */
static const struct {
    const char *name;
    const char *without;
} services[] = {
    {"sampler", "no memory, GPU, temperature or power"},
    {"watcher", "no model servers and no tok/s"},
    {"bencher", "no benchmarks"},
    {"cached", "no figures of the model cache"},
    {"recorder", "no history, requests, alerts or findings"},
    {"gateway", "no page in the browser and no metrics"},
};

static const char *const sensors[] = {"sensor.memory", "sensor.cpu", "sensor.gpu.0",
                                      "sensor.temperature", "sensor.power"};

static const char *const words[] = {"ok", "note", "warning", "fault"};

const char *mlx_doctor_word(mlx_doctor_level_t level)
{
    return words[level];
}

void mlx_doctor_add(mlx_value_t *list, mlx_doctor_level_t level, const char *check,
                    const char *text, const char *remedy)
{
    mlx_value_t *item = mlx_value_append(list, mlx_value_map());
    mlx_value_set_str(item, "level", words[level]);
    mlx_value_set_str(item, "check", check);
    mlx_value_set_str(item, "text", text);
    mlx_value_set_str(item, "remedy", remedy);
}

mlx_doctor_level_t mlx_doctor_worst(const mlx_value_t *list)
{
    mlx_doctor_level_t worst = MLX_DOCTOR_OK;
    for (size_t i = 0; i < mlx_value_size(list); i++)
        for (size_t k = worst + 1; k < MLX_COUNT(words); k++)
            if (strcmp(mlx_value_str(mlx_value_at(list, i), "level"), words[k]) == 0)
                worst = (mlx_doctor_level_t)k;
    return worst;
}

static const mlx_value_t *find_named(const mlx_value_t *list, const char *name)
{
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const char *known = mlx_value_str(mlx_value_at(list, i), "name");
        if (known && strcmp(known, name) == 0)
            return mlx_value_at(list, i);
    }
    return NULL;
}

static void look_at_service(mlx_value_t *list, size_t index, const mlx_overview_t *overview,
                            const mlx_value_t *registered, int64_t now_us)
{
    const char *name = services[index].name;
    bool connected = false;
    MLX_CLEANUP(mlx_free_p) char *check = mlx_format("service %s", name);
    MLX_CLEANUP(mlx_free_p) char *topic = mlx_format("service.%s.health", name);
    MLX_CLEANUP(mlx_free_p) char *restart = mlx_format("mlxctl services restart %s", name);
    const mlx_value_t *known = find_named(registered, name);
    const mlx_value_t *health = mlx_overview_get(overview, topic, now_us, NULL);
    const char *state = mlx_value_str(health, "state");
    const char *reason = mlx_value_str(health, "reason");
    MLX_CLEANUP(mlx_free_p) char *text = NULL;
    if (!known || !mlx_value_bool(known, "connected", &connected) || !connected)
        text = mlx_format("is not running: %s", services[index].without);
    else if (!state)
        text = mlx_format("has been silent for over 20 s: %s", services[index].without);
    else if (strcmp(state, "up") != 0)
        text = mlx_format("%s%s%s", state, reason ? ": " : "", reason ? reason : "");
    if (!text)
        mlx_doctor_add(list, MLX_DOCTOR_OK, check, "runs", NULL);
    else
        mlx_doctor_add(
            list, state && strcmp(state, "degraded") == 0 ? MLX_DOCTOR_WARNING : MLX_DOCTOR_FAULT,
            check, text, restart);
}

static bool same_reason(const mlx_value_t *missing, size_t a, size_t b)
{
    const char *one = mlx_value_str(mlx_value_at(missing, a), "why");
    const char *other = mlx_value_str(mlx_value_at(missing, b), "why");
    return one && other && strcmp(one, other) == 0;
}

/*  The fields that are missing for the reason of item I, together; nothing when that was said. */
static void add_missing(mlx_value_t *list, const char *check, const mlx_value_t *missing, size_t i)
{
    const char *why = mlx_value_str(mlx_value_at(missing, i), "why");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    for (size_t k = 0; k < i; k++)
        if (same_reason(missing, k, i))
            return;
    for (size_t k = i; k < mlx_value_size(missing); k++) {
        const char *field = mlx_value_str(mlx_value_at(missing, k), "field");
        if (k == i || same_reason(missing, k, i))
            mlx_buf_printf(&text, "%s%s", k == i ? "no " : ", ", field ? field : "value");
    }
    mlx_buf_printf(&text, ": %s", why ? why : "not available");
    mlx_doctor_add(list, MLX_DOCTOR_NOTE, check, mlx_buf_str(&text), NULL);
}

/*  What a sensor does not read here, with its reason: nothing to repair, good to know. */
static void look_at_sensor(mlx_value_t *list, const char *topic, const mlx_overview_t *overview,
                           int64_t now_us)
{
    const mlx_value_t *d = mlx_overview_get(overview, topic, now_us, NULL);
    const mlx_value_t *missing = mlx_value_get(d, "missing");
    MLX_CLEANUP(mlx_free_p)
    char *check = mlx_format("sensor %.*s", (int)strcspn(topic + strlen("sensor."), "."),
                             topic + strlen("sensor."));
    if (!d)
        mlx_doctor_add(list, MLX_DOCTOR_NOTE, check, "no values", NULL);
    else if (mlx_value_size(missing) == 0)
        mlx_doctor_add(list, MLX_DOCTOR_OK, check, "read", NULL);
    for (size_t i = 0; i < mlx_value_size(missing); i++)
        add_missing(list, check, missing, i);
}

typedef struct {
    mlx_value_t *list;
    const mlx_overview_t *overview;
    const char *host;
    int64_t now_us;
    size_t runtimes;
} runtimes_t;

/*  Is the speed of its requests seen, and if not, why? */
static void look_at_speed(const runtimes_t *look, const char *check, const char *models_topic)
{
    const char *suffix = strrchr(models_topic, '.');
    MLX_CLEANUP(mlx_free_p)
    char *topic = mlx_format("%.*s.activity", (int)(suffix - models_topic), models_topic);
    const mlx_value_t *d = mlx_overview_get(look->overview, topic, look->now_us, NULL);
    const char *source = mlx_value_str(d, "source");
    const char *reason = mlx_value_str(d, "source_reason");
    MLX_CLEANUP(mlx_free_p)
    char *text =
        source ? mlx_format("its speed comes from: %s", source)
               : mlx_format("its speed is not known%s%s", reason ? ": " : "", reason ? reason : "");
    mlx_doctor_add(look->list, source ? MLX_DOCTOR_OK : MLX_DOCTOR_WARNING, check, text,
                   source ? NULL : "mlxctl tap explains how to see every request");
}

static void look_at_runtime(void *arg, const mlx_message_t *message, int64_t age_us)
{
    runtimes_t *look = arg;
    const char *suffix = strrchr(message->topic, '.');
    const char *kind = mlx_value_str(message->d, "kind");
    const char *url = mlx_value_str(message->d, "url");
    const char *reason = mlx_value_str(message->d, "reason");
    bool reachable = false;
    bool loading = false;
    if (strcmp(suffix, ".models") != 0 || strcmp(message->host, look->host) != 0 ||
        age_us > MLX_OVERVIEW_STALE_US)
        return;
    look->runtimes++;
    mlx_value_bool(message->d, "reachable", &reachable);
    mlx_value_bool(message->d, "loading", &loading);
    MLX_CLEANUP(mlx_free_p) char *check = mlx_format("%s %s", kind ? kind : "?", url ? url : "");
    size_t models = mlx_value_size(mlx_value_get(message->d, "models"));
    MLX_CLEANUP(mlx_free_p)
    char *text = reachable ? models ? mlx_format("answers, %zu model%s loaded", models,
                                                 models == 1 ? "" : "s")
                                    : mlx_strdup("answers, no model loaded")
                           : mlx_format("%s%s%s", loading ? "is loading" : "does not answer",
                                        reason ? ": " : "", reason ? reason : "");
    mlx_doctor_add(look->list,
                   reachable ? MLX_DOCTOR_OK
                   : loading ? MLX_DOCTOR_NOTE
                             : MLX_DOCTOR_WARNING,
                   check, text, NULL);
    if (reachable && models)
        look_at_speed(look, check, message->topic);
}

static void look_at_runtimes(mlx_value_t *list, const mlx_overview_t *overview, int64_t now_us)
{
    runtimes_t look = {
        .list = list, .overview = overview, .host = mlx_overview_host(overview), .now_us = now_us};
    if (look.host)
        mlx_overview_each(overview, "runtime.", now_us, look_at_runtime, &look);
    if (look.runtimes == 0)
        mlx_doctor_add(list, MLX_DOCTOR_WARNING, "model servers",
                       "none found on this machine: there is no tok/s without one",
                       "start Ollama, llama-server or another; name one in an unusual place in "
                       "watcher.runtimes (mlxctl config --example)");
}

void mlx_doctor_look(mlx_value_t *list, const mlx_overview_t *overview,
                     const mlx_value_t *registered, int64_t now_us)
{
    for (size_t i = 0; i < MLX_COUNT(services); i++)
        look_at_service(list, i, overview, registered, now_us);
    for (size_t i = 0; i < MLX_COUNT(sensors); i++)
        look_at_sensor(list, sensors[i], overview, now_us);
    look_at_runtimes(list, overview, now_us);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *found = mlx_overview_warnings(overview, now_us);
    for (size_t i = 0; i < mlx_value_size(found); i++) {
        const mlx_value_t *item = mlx_value_at(found, i);
        const char *kind = mlx_value_str(item, "kind");
        if (!kind || strcmp(kind, "service") == 0 || strcmp(kind, "silent") == 0)
            continue; /* said above */
        mlx_doctor_add(list, MLX_DOCTOR_WARNING, kind, mlx_value_str(item, "text"),
                       strcmp(kind, "finding") == 0 ? "mlxctl findings" : NULL);
    }
}
