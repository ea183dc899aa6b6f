#include "conditions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/held.h"
#include "probe.h"
#include "proto/buf.h"

enum {
    METERS_MAX = 17, /* sensor.power and sixteen GPUs */
    OTHERS_MAX = 32, /* runtimes beside ours */
    SHARERS_MAX = 16,
};

/*  More than that before the run is somebody's work. */
static const double busy_cpu = 0.5, busy_gpu = 0.3;

/*  A share of the run below which somebody else's work is not a reason to doubt. */
static const double little = 0.02;

/*  Share of a GPU's time, and of the time that tasks waited for a core, that others' work explains
 *  and a server's own threads do not. */
static const double shares_gpu = 0.1, waits_cpu = 0.3;

/*  Power of one source: from its energy counter where it has one, else the mean of its readings. */
typedef struct {
    char topic[32];
    double first_energy, last_energy; /* joules; NaN: none */
    double sum_watts, sum_total;      /* of the readings: of the part, and of the whole machine */
    int count, count_total;
    int64_t first_t, last_t; /* of the energies, µs */
} meter_t;

typedef struct {
    char topic[200];
    bool busy;
} other_t;

/*  A process on a GPU, as far as the driver tells. */
typedef struct {
    int64_t pid;
    double sum; /* of its shares of the GPU's time, one a message */
} sharer_t;

struct mlx_conditions {
    const mlx_bench_target_t *target;
    bool measuring;
    int clients; /* requests at once that are our own */
    int64_t begun_us, ended_us;
    int64_t since_us; /* what is contended is so since then */
    int64_t contended_us;
    bool shared_now; /* somebody else uses our runtime */
    bool shared_ever;
    other_t others[OTHERS_MAX];
    size_t other_count;
    meter_t meters[METERS_MAX];
    size_t meter_count;
    double max_celsius;
    double cpu_before, gpu_before; /* busy ratios; NaN: not known */
    double queued_s;               /* NaN: not known */
    double cpu_waits;              /* sum of the pressures, one a message */
    int cpu_messages;
    sharer_t sharers[SHARERS_MAX];
    size_t sharer_count;
    int gpu_messages; /* with the shares of processes */
    char cpu[128];
    char gpus[256];
    char thermal_state[32];
    bool throttled;
};

mlx_conditions_t *mlx_conditions_new(const mlx_bench_target_t *target)
{
    mlx_conditions_t *self = mlx_alloc(1, sizeof *self);
    self->target = target;
    self->clients = 1;
    self->max_celsius = self->cpu_before = self->gpu_before = self->queued_s = (double)NAN;
    return self;
}

void mlx_conditions_destroy(mlx_conditions_t **self)
{
    free(*self);
    *self = NULL;
}

void mlx_conditions_clients(mlx_conditions_t *self, int count)
{
    self->clients = count;
}

bool mlx_conditions_shared(const mlx_conditions_t *self)
{
    return self->shared_ever;
}

/* ---- others at work ---- */

static bool contended(const mlx_conditions_t *self)
{
    bool yes = self->shared_now;
    for (size_t i = 0; i < self->other_count; i++)
        yes = yes || self->others[i].busy;
    return yes;
}

static void add_contended(mlx_conditions_t *self, int64_t now_us)
{
    if (self->measuring && contended(self))
        self->contended_us += now_us - self->since_us;
    self->since_us = now_us;
}

static other_t *other_of(mlx_conditions_t *self, const char *topic)
{
    for (size_t i = 0; i < self->other_count; i++)
        if (strcmp(self->others[i].topic, topic) == 0)
            return &self->others[i];
    if (self->other_count == OTHERS_MAX || strlen(topic) >= sizeof self->others[0].topic)
        return NULL;
    other_t *other = &self->others[self->other_count++];
    snprintf(other->topic, sizeof other->topic, "%s", topic);
    return other;
}

/*  More requests than are our own, or one of another model, are somebody else's. */
static void take_own(mlx_conditions_t *self, const mlx_value_t *d, bool busy)
{
    int64_t requests = 0;
    const char *model = mlx_value_str(d, "model");
    bool keeps = self->target->runtime->generate.keeps;
    mlx_value_int(d, "requests", &requests);
    bool foreign = keeps && model && !mlx_probe_same_model(self->target->model, model) &&
                   !mlx_probe_same_model(model, self->target->model);
    self->shared_now = busy && (requests > self->clients || foreign);
    self->shared_ever = self->shared_ever || self->shared_now;
}

static void take_activity(mlx_conditions_t *self, const mlx_message_t *message)
{
    const char *own = self->target->topic;
    bool busy = false;
    mlx_value_bool(message->d, "busy", &busy);
    if (*own && strncmp(message->topic, own, strlen(own)) == 0) {
        take_own(self, message->d, busy);
        return;
    }
    other_t *other = other_of(self, message->topic);
    if (other)
        other->busy = busy;
}

/* ---- the machine ---- */

static meter_t *meter_of(mlx_conditions_t *self, const char *topic)
{
    for (size_t i = 0; i < self->meter_count; i++)
        if (strcmp(self->meters[i].topic, topic) == 0)
            return &self->meters[i];
    if (self->meter_count == METERS_MAX || strlen(topic) >= sizeof self->meters[0].topic)
        return NULL;
    meter_t *meter = &self->meters[self->meter_count++];
    snprintf(meter->topic, sizeof meter->topic, "%s", topic);
    meter->first_energy = meter->last_energy = (double)NAN;
    return meter;
}

static void take_power(mlx_conditions_t *self, const mlx_message_t *message, const char *watts_key)
{
    meter_t *meter = self->measuring ? meter_of(self, message->topic) : NULL;
    double watts = mlx_value_real_or_nan(message->d, watts_key),
           total = mlx_value_real_or_nan(message->d, "total");
    double energy = mlx_value_real_or_nan(message->d, "energy");
    if (!meter)
        return;
    if (!isnan(watts)) {
        meter->sum_watts += watts;
        meter->count++;
    }
    if (!isnan(total)) {
        meter->sum_total += total;
        meter->count_total++;
    }
    /* A counter's old value (held.h) is of another moment than the message. */
    if (isnan(energy) || mlx_held_age(message->d, "energy") > 0)
        return;
    /* A counter that runs backwards was reset: begin again. */
    if (isnan(meter->first_energy) || energy < meter->last_energy) {
        meter->first_energy = energy;
        meter->first_t = message->t;
    }
    meter->last_energy = energy;
    meter->last_t = message->t;
}

static sharer_t *sharer_of(mlx_conditions_t *self, int64_t pid)
{
    for (size_t i = 0; i < self->sharer_count; i++)
        if (self->sharers[i].pid == pid)
            return &self->sharers[i];
    if (self->sharer_count == SHARERS_MAX)
        return NULL;
    sharer_t *sharer = &self->sharers[self->sharer_count++];
    *sharer = (sharer_t){.pid = pid};
    return sharer;
}

static void take_sharers(mlx_conditions_t *self, const mlx_value_t *list)
{
    bool any = false;
    for (size_t i = 0; self->measuring && i < mlx_value_size(list); i++) {
        const mlx_value_t *process = mlx_value_at(list, i);
        double share = mlx_value_real_or_nan(process, "utilization");
        int64_t pid;
        sharer_t *sharer =
            !isnan(share) && mlx_value_int(process, "pid", &pid) ? sharer_of(self, pid) : NULL;
        if (sharer)
            sharer->sum += share;
        any = any || sharer;
    }
    self->gpu_messages += any;
}

static void take_gpu(mlx_conditions_t *self, const mlx_message_t *message)
{
    const char *name = mlx_value_str(message->d, "name");
    double busy = mlx_value_real_or_nan(message->d, "utilization");
    size_t len = strlen(self->gpus);
    if (!self->begun_us && !isnan(busy))
        self->gpu_before = fmax(busy, isnan(self->gpu_before) ? 0 : self->gpu_before);
    if (name && !strstr(self->gpus, name))
        snprintf(self->gpus + len, sizeof self->gpus - len, "%s%.100s", len ? " + " : "", name);
    self->max_celsius = fmax(self->max_celsius, mlx_value_real_or_nan(message->d, "temperature"));
    if (self->measuring && mlx_value_size(mlx_value_get(message->d, "throttle")) > 0)
        self->throttled = true;
    take_sharers(self, mlx_value_get(message->d, "processes"));
    take_power(self, message, "power");
}

static void take_cpu(mlx_conditions_t *self, const mlx_value_t *d)
{
    const char *name = mlx_value_str(d, "name");
    double waits = mlx_value_real_or_nan(d, "pressure");
    if (name)
        snprintf(self->cpu, sizeof self->cpu, "%s", name);
    if (!self->begun_us)
        self->cpu_before = mlx_value_real_or_nan(d, "utilization");
    if (!self->measuring || isnan(waits))
        return;
    self->cpu_waits += waits;
    self->cpu_messages++;
}

static void take_sensor(mlx_conditions_t *self, const mlx_message_t *message)
{
    const char *what = message->topic + strlen("sensor.");
    const char *text;
    if (strncmp(what, "gpu.", 4) == 0) {
        take_gpu(self, message);
    } else if (strcmp(what, "power") == 0) {
        take_power(self, message, "package");
    } else if (strcmp(what, "temperature") == 0) {
        self->max_celsius = fmax(self->max_celsius, mlx_value_real_or_nan(message->d, "max"));
        if ((text = mlx_value_str(message->d, "thermal_state")))
            snprintf(self->thermal_state, sizeof self->thermal_state, "%s", text);
    } else if (strcmp(what, "cpu") == 0) {
        take_cpu(self, message->d);
    }
}

void mlx_conditions_message(mlx_conditions_t *self, const mlx_message_t *message, int64_t now_us)
{
    static const char activity[] = ".activity";
    size_t len = strlen(message->topic);
    add_contended(self, now_us);
    if (strncmp(message->topic, "sensor.", 7) == 0)
        take_sensor(self, message);
    else if (strncmp(message->topic, "runtime.", 8) == 0 && len > strlen(activity) &&
             strcmp(message->topic + len - strlen(activity), activity) == 0)
        take_activity(self, message);
}

void mlx_conditions_begin(mlx_conditions_t *self, int64_t now_us)
{
    add_contended(self, now_us);
    self->measuring = true;
    self->begun_us = now_us;
    /* The hottest moment is that of the run. */
    self->max_celsius = (double)NAN;
}

void mlx_conditions_end(mlx_conditions_t *self, int64_t now_us)
{
    add_contended(self, now_us);
    self->measuring = false;
    self->ended_us = now_us;
}

void mlx_conditions_queued(mlx_conditions_t *self, double seconds)
{
    self->queued_s = seconds;
}

/* ---- writing ---- */

static double watts_of(const meter_t *meter)
{
    double seconds = (double)(meter->last_t - meter->first_t) / 1e6;
    if (!isnan(meter->first_energy) && seconds >= 1)
        return (meter->last_energy - meter->first_energy) / seconds;
    return meter->count ? meter->sum_watts / meter->count : (double)NAN;
}

/*  The whole machine where it is known, else the parts that are. */
static double mean_watts(const mlx_conditions_t *self, const char **scope)
{
    double parts = (double)NAN;
    *scope = "parts";
    for (size_t i = 0; i < self->meter_count; i++) {
        const meter_t *meter = &self->meters[i];
        if (meter->count_total) {
            *scope = "machine";
            return meter->sum_total / meter->count_total;
        }
        double watts = watts_of(meter);
        if (!isnan(watts))
            parts = watts + (isnan(parts) ? 0 : parts);
    }
    return parts;
}

static void write_energy(const mlx_conditions_t *self, int64_t tokens, mlx_value_t *result)
{
    const char *scope;
    double watts = mean_watts(self, &scope);
    double seconds = (double)(self->ended_us - self->begun_us) / 1e6;
    if (isnan(watts))
        return;
    mlx_value_set_real(result, "power", watts);
    mlx_value_set_str(result, "power_scope", scope);
    if (tokens > 0)
        mlx_value_set_real(result, "joules_per_token", watts * seconds / (double)tokens);
}

/*  "WHAT NN % REST" */
static void warn(mlx_value_t *warnings, const char *what, double ratio, const char *rest)
{
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format("%s %.0f %% %s", what, ratio * 100, rest);
    mlx_value_append(warnings, mlx_value_new_str(text));
}

static void write_machine(const mlx_conditions_t *self, mlx_value_t *result, mlx_value_t *warnings)
{
    bool apart = self->gpus[0] && strcmp(self->cpu, self->gpus) != 0; /* else both are one chip */
    MLX_CLEANUP(mlx_free_p)
    char *hardware = mlx_format("%s%s%s", self->cpu, self->cpu[0] && apart ? " + " : "",
                                apart ? self->gpus : "");
    if (*hardware)
        mlx_value_set_str(result, "hardware", hardware);
    mlx_value_set_real(result, "temperature", self->max_celsius);
    if (self->thermal_state[0]) {
        mlx_value_set_str(result, "thermal_state", self->thermal_state);
        if (strcmp(self->thermal_state, "nominal") != 0)
            mlx_value_append(warnings,
                             mlx_value_new_str("the machine was hot: its clocks were throttled"));
    }
    if (self->throttled)
        mlx_value_append(warnings, mlx_value_new_str("the GPU's clocks were throttled"));
    if (self->cpu_before > busy_cpu)
        warn(warnings, "the processor was", self->cpu_before, "busy before the run");
    if (self->gpu_before > busy_gpu)
        warn(warnings, "the GPU was", self->gpu_before, "busy before the run");
}

/*  The processes that shared a GPU during the run: one alone is the server. */
static void warn_sharers(const mlx_conditions_t *self, mlx_value_t *warnings)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    size_t count = 0;
    for (size_t i = 0; i < self->sharer_count; i++) {
        double share = self->sharers[i].sum / self->gpu_messages;
        if (share < shares_gpu)
            continue;
        mlx_buf_printf(&text, "%sprocess %lld used %.0f %%", count++ ? ", " : "",
                       (long long)self->sharers[i].pid, share * 100);
    }
    MLX_CLEANUP(mlx_free_p)
    char *line = mlx_format("processes shared the GPU: %s of its time", mlx_buf_str(&text));
    if (count > 1)
        mlx_value_append(warnings, mlx_value_new_str(line));
}

/*  One line, whichever way it was seen. */
static void write_contention(const mlx_conditions_t *self, mlx_value_t *result,
                             mlx_value_t *warnings)
{
    double seconds = (double)(self->ended_us - self->begun_us) / 1e6;
    double seen = seconds > 0 ? (double)self->contended_us / 1e6 / seconds : (double)NAN;
    double queued = seconds > 0 ? self->queued_s / seconds : (double)NAN;
    bool watched = *self->target->topic || self->other_count;
    double share = watched ? fmax(seen, queued) : queued; /* fmax passes over what is not known */
    if (share > 1)
        share = 1;
    MLX_CLEANUP(mlx_free_p)
    char *waited =
        mlx_format("of the run: our requests waited %.1f s for their turn", self->queued_s);
    mlx_value_set_real(result, "contention", share);
    mlx_value_set_real(result, "queued", self->queued_s);
    if (share > little)
        warn(warnings, "others used models during", share, queued > little ? waited : "of the run");
}

void mlx_conditions_write(const mlx_conditions_t *self, int64_t tokens, mlx_value_t *result,
                          mlx_value_t *warnings)
{
    write_contention(self, result, warnings);
    if (self->target->local) {
        double waits = self->cpu_waits / (self->cpu_messages ? self->cpu_messages : 1);
        write_machine(self, result, warnings);
        if (waits > waits_cpu)
            warn(warnings, "tasks waited for a processor core", waits, "of the time");
        warn_sharers(self, warnings);
        write_energy(self, tokens, result);
    } else {
        mlx_value_append(
            warnings, mlx_value_new_str("the runtime is on another machine: nothing is known about "
                                        "its hardware, heat and power"));
    }
}
