#include "common/view/details.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/units.h"
#include "common/view/overview_state.h"
#include "proto/buf.h"

enum {
    PROCESSES_SHOWN = 3,
    FANS_SHOWN = 4
};

typedef struct {
    const mlx_overview_t *overview;
    mlx_value_t *list;
    int64_t now_us;
} details_t;

/*  A line that grows: parts with ", " between them. */
static void part(mlx_buf_t *line, const char *text)
{
    mlx_buf_puts(line, line->len ? ", " : "");
    mlx_buf_puts(line, text);
}

static bool number_of(const mlx_value_t *d, const char *field, double *value)
{
    return mlx_value_real(d, field, value);
}

/*  "WORD 61.2 GB/s", when D has FIELD. */
static void figure(mlx_buf_t *line, const mlx_value_t *d, const char *field, mlx_unit_t unit,
                   const char *word)
{
    double value;
    if (!number_of(d, field, &value))
        return;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(value, unit);
    MLX_CLEANUP(mlx_free_p) char *whole = mlx_format("%s%s%s", word, *word ? " " : "", text);
    part(line, whole);
}

static void add_line(details_t *self, const char *name, const mlx_buf_t *line)
{
    if (!line->len)
        return;
    mlx_value_t *item = mlx_value_append(self->list, mlx_value_map());
    mlx_value_set_str(item, "name", name);
    mlx_value_set_str(item, "text", mlx_buf_str(line));
}

static void add_memory(details_t *self, const mlx_value_t *d)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t line = {0};
    figure(&line, d, "bandwidth_read", MLX_UNIT_BYTES_PER_SECOND, "read");
    figure(&line, d, "bandwidth_write", MLX_UNIT_BYTES_PER_SECOND, "write");
    add_line(self, "Bandwidth", &line);
    mlx_buf_reset(&line);
    figure(&line, d, "gpu_limit", MLX_UNIT_BYTES, "at most");
    figure(&line, d, "gpu_recommended", MLX_UNIT_BYTES, "recommended");
    add_line(self, "GPU memory", &line);
}

static void add_words(mlx_buf_t *line, const mlx_value_t *list)
{
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const char *word = mlx_value_as_str(mlx_value_at(list, i), NULL);
        if (word)
            part(line, word);
    }
}

static void add_cores(details_t *self, const mlx_value_t *d)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t line = {0};
    const mlx_value_t *clusters = mlx_value_get(d, "cluster");
    for (size_t i = 0; i < mlx_value_size(clusters); i++) {
        const mlx_value_t *cluster = mlx_value_at(clusters, i);
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t one = {0};
        const char *name = mlx_value_str(cluster, "name");
        int64_t cores = 0;
        double value;
        mlx_value_int(cluster, "cores", &cores);
        mlx_buf_printf(&one, "%lld %s", (long long)cores, name ? name : "cores");
        if (number_of(cluster, "utilization", &value))
            mlx_buf_printf(&one, " %.0f%%", value * 100);
        if (number_of(cluster, "frequency", &value))
            mlx_buf_printf(&one, " at %.2f GHz", value * 1e-9);
        part(&line, mlx_buf_str(&one));
    }
    add_line(self, "Cores", &line);
    mlx_buf_reset(&line);
    add_words(&line, mlx_value_get(d, "throttle"));
    add_line(self, "CPU held", &line);
}

/*  "ollama 23.1 GB 88%" */
static void add_process(mlx_buf_t *line, const mlx_value_t *process)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t one = {0};
    const char *program = mlx_value_str(process, "program");
    int64_t pid = 0;
    double value;
    mlx_value_int(process, "pid", &pid);
    if (program)
        mlx_buf_puts(&one, program);
    else
        mlx_buf_printf(&one, "pid %lld", (long long)pid);
    if (number_of(process, "memory", &value)) {
        MLX_CLEANUP(mlx_free_p) char *bytes = mlx_format_unit(value, MLX_UNIT_BYTES);
        mlx_buf_printf(&one, " %s", bytes);
    }
    if (number_of(process, "utilization", &value))
        mlx_buf_printf(&one, " %.0f%%", value * 100);
    part(line, mlx_buf_str(&one));
}

/*  The one that uses most of the GPU, or holds most of its memory, among those not TOLD; COUNT:
 *  none is left. */
static size_t most_of(const mlx_value_t *list, size_t count, const bool *told)
{
    size_t best = count;
    double most = -1;
    for (size_t i = 0; i < count; i++) {
        double memory = 0, use = 0;
        number_of(mlx_value_at(list, i), "memory", &memory);
        number_of(mlx_value_at(list, i), "utilization", &use);
        if (!told[i] && use * 1e15 + memory > most) {
            most = use * 1e15 + memory;
            best = i;
        }
    }
    return best;
}

static void add_processes(details_t *self, const char *name, const mlx_value_t *list)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t line = {0};
    bool told[64] = {false};
    size_t size = mlx_value_size(list), shown = 0;
    size_t count = size < MLX_COUNT(told) ? size : MLX_COUNT(told);
    for (; shown < PROCESSES_SHOWN; shown++) {
        size_t best = most_of(list, count, told);
        if (best == count)
            break;
        told[best] = true;
        add_process(&line, mlx_value_at(list, best));
    }
    if (size > shown)
        mlx_buf_printf(&line, ", %zu more", size - shown);
    add_line(self, name, &line);
}

static void add_instances(details_t *self, const char *name, const mlx_value_t *list)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t line = {0};
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const mlx_value_t *instance = mlx_value_at(list, i);
        const char *kind = mlx_value_str(instance, "name");
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t one = {0};
        double used, total;
        mlx_buf_puts(&one, kind ? kind : "part");
        if (number_of(instance, "memory_used", &used) &&
            number_of(instance, "memory_total", &total)) {
            MLX_CLEANUP(mlx_free_p) char *a = mlx_format_unit(used, MLX_UNIT_BYTES);
            MLX_CLEANUP(mlx_free_p) char *b = mlx_format_unit(total, MLX_UNIT_BYTES);
            mlx_buf_printf(&one, " %s / %s", a, b);
        }
        part(&line, mlx_buf_str(&one));
    }
    add_line(self, name, &line);
}

static bool is_now(const details_t *self, const mlx_message_t *message, int64_t age_us)
{
    const char *host = mlx_overview_host(self->overview);
    return host && strcmp(message->host, host) == 0 &&
           !mlx_overview_stale(message->topic, age_us) &&
           !mlx_overview_late(self->overview, message, self->now_us);
}

static void add_gpu(void *arg, const mlx_message_t *message, int64_t age_us)
{
    details_t *self = arg;
    const mlx_value_t *d = message->d;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t line = {0};
    if (!is_now(self, message, age_us))
        return;
    figure(&line, d, "encoder", MLX_UNIT_RATIO, "encoder");
    figure(&line, d, "decoder", MLX_UNIT_RATIO, "decoder");
    figure(&line, d, "media", MLX_UNIT_RATIO, "video engines");
    figure(&line, d, "media_read", MLX_UNIT_BYTES_PER_SECOND, "video engines read");
    figure(&line, d, "media_write", MLX_UNIT_BYTES_PER_SECOND, "write");
    figure(&line, d, "pcie_rx", MLX_UNIT_BYTES_PER_SECOND, "PCIe in");
    figure(&line, d, "pcie_tx", MLX_UNIT_BYTES_PER_SECOND, "out");
    figure(&line, d, "fan", MLX_UNIT_RATIO, "fan");
    const char *number = message->topic + strlen("sensor.gpu.");
    MLX_CLEANUP(mlx_free_p) char *name = mlx_format("GPU %s", number);
    MLX_CLEANUP(mlx_free_p) char *held = mlx_format("GPU %s held", number);
    MLX_CLEANUP(mlx_free_p) char *users = mlx_format("GPU %s used", number);
    MLX_CLEANUP(mlx_free_p) char *parts = mlx_format("GPU %s parts", number);
    add_line(self, name, &line);
    mlx_buf_reset(&line);
    add_words(&line, mlx_value_get(d, "throttle"));
    add_line(self, held, &line);
    add_processes(self, users, mlx_value_get(d, "processes"));
    add_instances(self, parts, mlx_value_get(d, "instances"));
}

static void add_npu(void *arg, const mlx_message_t *message, int64_t age_us)
{
    details_t *self = arg;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t line = {0};
    const char *name = mlx_value_str(message->d, "name");
    if (!is_now(self, message, age_us))
        return;
    figure(&line, message->d, "utilization", MLX_UNIT_RATIO, name ? name : "");
    if (!line.len && name)
        part(&line, name);
    figure(&line, message->d, "memory_used", MLX_UNIT_BYTES, "");
    figure(&line, message->d, "frequency", MLX_UNIT_HERTZ, "");
    add_line(self, "NPU", &line);
}

static void add_fans(details_t *self, const mlx_value_t *d)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t line = {0};
    const mlx_value_t *fans = mlx_value_get(d, "fan");
    for (size_t i = 0; i < mlx_value_size(fans) && i < FANS_SHOWN; i++) {
        const mlx_value_t *fan = mlx_value_at(fans, i);
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t one = {0};
        const char *label = mlx_value_str(fan, "label");
        double rpm, min = 0, max;
        if (!number_of(fan, "rpm", &rpm))
            continue;
        mlx_buf_printf(&one, "%s%s%.0f rpm", label ? label : "", label ? " " : "", rpm);
        number_of(fan, "min", &min);
        if (number_of(fan, "max", &max))
            mlx_buf_printf(&one, " (%.0f to %.0f)", min, max);
        part(&line, mlx_buf_str(&one));
    }
    add_line(self, "Fans", &line);
}

static void add_battery(details_t *self, const mlx_value_t *d)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t line = {0};
    const char *state = mlx_value_str(d, "battery_state");
    bool full = state && strcmp(state, "charging") == 0;
    int64_t cycles;
    figure(&line, d, "battery", MLX_UNIT_RATIO, "");
    if (line.len && state)
        part(&line, state);
    figure(&line, d, "battery_power", MLX_UNIT_WATTS, "");
    figure(&line, d, "battery_time", MLX_UNIT_SECONDS, full ? "full in" : "empty in");
    figure(&line, d, "battery_health", MLX_UNIT_RATIO, "health");
    if (mlx_value_int(d, "battery_cycles", &cycles)) {
        MLX_CLEANUP(mlx_free_p) char *text = mlx_format("%lld cycles", (long long)cycles);
        part(&line, text);
    }
    add_line(self, "Battery", &line);
    mlx_buf_reset(&line);
    figure(&line, d, "ane", MLX_UNIT_WATTS, "");
    add_line(self, "ANE", &line);
}

mlx_value_t *mlx_details(const mlx_overview_t *overview, int64_t now_us)
{
    details_t self = {.overview = overview, .list = mlx_value_list(), .now_us = now_us};
    if (mlx_overview_lateness(overview, now_us).sensors)
        return self.list;
    add_memory(&self, mlx_overview_get(overview, "sensor.memory", now_us, NULL));
    add_cores(&self, mlx_overview_get(overview, "sensor.cpu", now_us, NULL));
    mlx_overview_each(overview, "sensor.gpu.", now_us, add_gpu, &self);
    mlx_overview_each(overview, "sensor.npu.", now_us, add_npu, &self);
    add_fans(&self, mlx_overview_get(overview, "sensor.temperature", now_us, NULL));
    add_battery(&self, mlx_overview_get(overview, "sensor.power", now_us, NULL));
    return self.list;
}
