/*  Print every reading of this machine as JSON: what the sensor tests and a person compare with
 *  other tools. Two samples, --wait seconds apart, so that rates are there.
 *
 *      dump [--proc DIR] [--sys DIR] [--nvml LIBRARY] [--wait SECONDS] [--repeat N] [--pace]
 *
 *  On stderr: each back end's state and the cost of its samples. With --pace a back end keeps its
 *  own pace where that is slower, as in the sampler. */
#include "proto/json.h"
#include "services/sampler/sensor.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MAX_BACKENDS 16

typedef struct {
    const mlx_sensor_backend_t *backend;
    mlx_readings_t *readings;
    void *state;
    int64_t spent_us;
    int64_t sampled_us;
} slot_t;

static int64_t clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void probe(slot_t *slot, const mlx_sensor_env_t *env)
{
    mlx_error_t err = {0};
    int64_t start = clock_us(CLOCK_MONOTONIC);
    if (slot->backend->probe(&slot->state, env, &err)) {
        fprintf(stderr, "%s: %s\n", slot->backend->name, err.text);
        mlx_sensor_absent(slot->backend, err.text, slot->readings);
        return;
    }
    fprintf(stderr, "%s: found in %.1f ms\n", slot->backend->name,
            (double)(clock_us(CLOCK_MONOTONIC) - start) * 1e-3);
}

static void sample(slot_t *slot, bool pace)
{
    int64_t now = clock_us(CLOCK_MONOTONIC);
    double least_us = pace ? slot->backend->min_period_s * 0.99e6 : 0;
    if (!slot->state || (double)(now - slot->sampled_us) < least_us)
        return;
    mlx_error_t err = {0};
    slot->sampled_us = now;
    mlx_readings_reset(slot->readings);
    int64_t start = clock_us(CLOCK_THREAD_CPUTIME_ID);
    if (slot->backend->sample(slot->state, now, slot->readings, &err))
        fprintf(stderr, "%s: %s\n", slot->backend->name, err.text);
    slot->spent_us += clock_us(CLOCK_THREAD_CPUTIME_ID) - start;
}

static void print(slot_t *slots, size_t count)
{
    mlx_readings_t *all = mlx_readings_new();
    for (size_t i = 0; i < count; i++)
        mlx_readings_merge_held(all, slots[i].readings, 0);
    mlx_sensor_derive(all);
    mlx_value_t *root = mlx_value_map();
    for (size_t i = 0; i < mlx_readings_count(all); i++) {
        const char *topic;
        const mlx_value_t *data = mlx_readings_at(all, i, &topic);
        mlx_value_set(root, topic, mlx_value_copy(data));
    }
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t buf = {0};
    mlx_json_write(&buf, root, true);
    puts(mlx_buf_str(&buf));
    mlx_value_destroy(&root);
    mlx_readings_destroy(&all);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"proc", required_argument, NULL, 'p'},
        {"sys", required_argument, NULL, 's'},
        {"nvml", required_argument, NULL, 'n'},
        {"wait", required_argument, NULL, 'w'},
        {"repeat", required_argument, NULL, 'r'},
        {"pace", no_argument, NULL, 'a'},
        {NULL, 0, NULL, 0},
    };
    mlx_sensor_env_t env = {"/proc", "/sys", "libnvidia-ml.so.1", NULL};
    double wait_s = 1;
    int repeat = 1;
    bool pace = false;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'p')
            env.proc_root = optarg;
        else if (c == 's')
            env.sys_root = optarg;
        else if (c == 'n')
            env.nvml_library = optarg;
        else if (c == 'w')
            wait_s = strtod(optarg, NULL);
        else if (c == 'r')
            repeat = atoi(optarg);
        else if (c == 'a')
            pace = true;
        else
            return 2;
    }
    slot_t slots[MAX_BACKENDS] = {0};
    size_t count;
    const mlx_sensor_backend_t *const *backends = mlx_sensor_backends(&count);
    for (size_t i = 0; i < count; i++) {
        slots[i] = (slot_t){.backend = backends[i], .readings = mlx_readings_new()};
        probe(&slots[i], &env);
        sample(&slots[i], false);
        slots[i].spent_us = 0; /* the first sample opens and looks around */
    }
    struct timespec pause = {(time_t)wait_s, (long)((wait_s - (double)(time_t)wait_s) * 1e9)};
    for (int round = 0; round < repeat; round++) {
        nanosleep(&pause, NULL);
        for (size_t i = 0; i < count; i++)
            sample(&slots[i], pace);
    }
    print(slots, count);
    for (size_t i = 0; i < count; i++) {
        if (slots[i].state) {
            fprintf(stderr, "%s: %.0f us of CPU a sample\n", slots[i].backend->name,
                    (double)slots[i].spent_us / repeat);
            slots[i].backend->close(&slots[i].state);
        }
        mlx_readings_destroy(&slots[i].readings);
    }
    return 0;
}
