/*  What the memory controllers of a Linux machine move: their own counters, through perf
 *
 *  A memory controller is an event source of the kernel (/sys/bus/event_source/devices:
 *  uncore_imc*, amd_umc*, ...), one for each channel. Its folder says how to ask it: "type",
 *  "cpumask", the codes of its events and what one count is worth
 *  (Documentation/ABI/testing/sysfs-bus-event_source-*).
 *  Only root, or CAP_PERFMON, or a kernel.perf_event_paranoid of 0 or below may ask. Counting costs
 *  the controllers nothing.
 */
#include "bandwidth.h"
#include "sensor.h"
#include "sysfile.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define TOPIC "sensor.memory"
#define MAX_PMUS 128
#define MAX_BYTES_PER_SECOND 1e14

typedef struct {
    mlx_bandwidth_pmu_t pmus[MAX_PMUS];
    size_t count;
    double read, written; /* bytes as of read_us; NAN: not counted */
    int64_t read_us;
} bandwidth_t;

static void bandwidth_close(void **state)
{
    bandwidth_t *self = *state;
    for (size_t i = 0; i < self->count; i++)
        mlx_bandwidth_close(&self->pmus[i]);
    mlx_free_p(state);
}

static int deny(int code, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    char level[16] = "";
    (void)mlx_sysfile_line(level, sizeof level, "%s/sys/kernel/perf_event_paranoid",
                           env->proc_root);
    if (code == EACCES || code == EPERM)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND,
                             "the memory controllers' counters are for root or CAP_PERFMON "
                             "(kernel.perf_event_paranoid is %s)",
                             level[0] ? level : "not readable");
    return mlx_error_set(err, MLX_ERR_NOT_FOUND, "the memory controllers' counters: %s",
                         strerror(code));
}

static int bandwidth_probe(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    bandwidth_t *self = mlx_alloc(1, sizeof *self);
    *state = self;
    self->read = self->written = NAN;
    int code =
        mlx_bandwidth_find(self->pmus, MAX_PMUS, &self->count, env->sys_root, env->perf_open);
    if (self->count && code == 0)
        return 0;
    if (code == 0)
        mlx_error_set(
            err, MLX_ERR_NOT_FOUND,
            "no memory controller with counters in %s/bus/event_source (a virtual machine "
            "has none)",
            env->sys_root);
    else
        deny(code, env, err);
    bandwidth_close(state);
    return -1;
}

static void add_speed(mlx_readings_t *out, const char *field, double before, double now,
                      double seconds)
{
    double speed = (now - before) / seconds;
    if (seconds > 0 && speed >= 0 && speed <= MAX_BYTES_PER_SECOND)
        mlx_value_set_real(mlx_readings_topic(out, TOPIC), field, speed);
    mlx_readings_missing(out, TOPIC, field, "measured from the second reading on");
}

static int bandwidth_sample(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    bandwidth_t *self = state;
    double read = 0;
    double written = 0;
    for (size_t i = 0; i < self->count; i++)
        if (!mlx_bandwidth_count(&self->pmus[i], &read, &written))
            return mlx_error_set(err, MLX_ERR_UNAVAILABLE,
                                 "a memory controller's counter does not answer");
    double seconds = isnan(self->read) ? 0 : (double)(now_us - self->read_us) * 1e-6;
    add_speed(out, "bandwidth_read", self->read, read, seconds);
    add_speed(out, "bandwidth_write", self->written, written, seconds);
    self->read = read;
    self->written = written;
    self->read_us = now_us;
    return 0;
}

const mlx_sensor_backend_t mlx_sensor_bandwidth = {
    .name = "bandwidth",
    .min_period_s = 0.5,
    .probe = bandwidth_probe,
    .sample = bandwidth_sample,
    .close = bandwidth_close,
    .topic = TOPIC,
    .fields = "bandwidth_read bandwidth_write",
};
