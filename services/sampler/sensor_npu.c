/*  Neural processors by their kernel drivers' files (Documentation/accel): intel_vpu counts its
 *  busy time (npu_busy_time_us), others keep accounts per client (drm_fdinfo.h), as amdxdna does.
 *  One that is suspended is not asked. */
#include "drm_fdinfo.h"
#include "rest.h"
#include "sensor.h"
#include "sysfile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NPUS 8
#define RESCAN_US 60000000
#define MAX_BYTES 9e15

static const struct {
    const char *driver, *vendor, *name;
} known[] = {
    {"intel_vpu", "intel", "Intel NPU"},     {"amdxdna", "amd", "AMD NPU"},
    {"habanalabs", "intel", "Habana Gaudi"}, {"qaic", "qualcomm", "Qualcomm Cloud AI"},
    {"rocket", "rockchip", "Rockchip NPU"},  {"ethosu", "arm", "Arm Ethos-U NPU"},
};

typedef struct {
    unsigned number;
    char slot[32]; /* "0000:00:0b.0"; "" where it is not a PCI device */
    char name[64];
    const char *vendor, *driver;
    char driver_name[32];
    int busy, memory, clock, clock_max; /* descriptors; -1: no such file */
    bool opened;
    mlx_rest_t rest;
    bool asleep;     /* in this sample */
    int64_t busy_us; /* as of read_us; -1: not known */
    int64_t read_us;
} npu_t;

typedef struct {
    const mlx_sensor_env_t *env;
    npu_t npus[MAX_NPUS];
    size_t count;
    mlx_fdinfo_t *usage;
    int64_t scanned_us;
} npus_t;

static void close_files(npu_t *npu)
{
    mlx_close_p(&npu->busy);
    mlx_close_p(&npu->memory);
    mlx_close_p(&npu->clock);
    mlx_close_p(&npu->clock_max);
    mlx_rest_close(&npu->rest);
}

static void forget(npus_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        close_files(&self->npus[i]);
    self->count = 0;
}

static void npu_close(void **state)
{
    npus_t *self = *state;
    forget(self);
    mlx_fdinfo_destroy(&self->usage);
    mlx_free_p(state);
}

static void name_npu(npu_t *npu)
{
    npu->vendor = NULL;
    (void)snprintf(npu->name, sizeof npu->name, "%s",
                   npu->driver_name[0] ? npu->driver_name : "NPU");
    for (size_t i = 0; i < MLX_COUNT(known); i++)
        if (strcmp(known[i].driver, npu->driver_name) == 0) {
            npu->vendor = known[i].vendor;
            (void)snprintf(npu->name, sizeof npu->name, "%s", known[i].name);
        }
}

static void add_npu(npus_t *self, unsigned number)
{
    MLX_CLEANUP(mlx_free_p)
    char *dir = mlx_format("%s/class/accel/accel%u/device", self->env->sys_root, number);
    MLX_CLEANUP(mlx_close_p) int fd = mlx_sysfile_open("%s/uevent", dir);
    char uevent[2048];
    if (mlx_sysfile_read(fd, uevent, sizeof uevent) < 0)
        return;
    npu_t *npu = &self->npus[self->count++];
    *npu = (npu_t){
        .number = number, .busy = -1, .memory = -1, .clock = -1, .clock_max = -1, .busy_us = -1};
    mlx_sysfile_copy(npu->driver_name, sizeof npu->driver_name, uevent, "DRIVER");
    mlx_sysfile_copy(npu->slot, sizeof npu->slot, uevent, "PCI_SLOT_NAME");
    name_npu(npu);
    mlx_rest_open(&npu->rest, dir);
}

static void scan(npus_t *self)
{
    unsigned numbers[MAX_NPUS];
    size_t count =
        mlx_sysfile_numbers(numbers, MAX_NPUS, "accel", "", "%s/class/accel", self->env->sys_root);
    forget(self);
    for (size_t i = 0; i < count; i++)
        add_npu(self, numbers[i]);
}

static int npu_probe(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    npus_t *self = mlx_alloc(1, sizeof *self);
    self->env = env;
    scan(self);
    *state = self;
    if (self->count) {
        self->usage = mlx_fdinfo_new(env->proc_root, env->sys_root, "accel");
        return 0;
    }
    npu_close(state);
    return mlx_error_set(err, MLX_ERR_NOT_FOUND, "no NPU in %s/class/accel", env->sys_root);
}

static void open_files(const npus_t *self, npu_t *npu)
{
    MLX_CLEANUP(mlx_free_p)
    char *dir = mlx_format("%s/class/accel/accel%u/device", self->env->sys_root, npu->number);
    if (npu->opened)
        return;
    npu->opened = true;
    npu->busy = mlx_sysfile_open("%s/npu_busy_time_us", dir);
    npu->memory = mlx_sysfile_open("%s/npu_memory_utilization", dir);
    npu->clock = mlx_sysfile_open("%s/npu_current_frequency_mhz", dir);
    npu->clock_max = mlx_sysfile_open("%s/npu_max_frequency_mhz", dir);
}

/*  The share of the time since the sample before, by the driver's own count; NAN: not known. */
static double busy_share(npu_t *npu, int64_t now_us)
{
    int64_t busy;
    double share = NAN;
    bool read = mlx_sysfile_int(npu->busy, &busy) && busy >= 0;
    if (read && npu->busy_us >= 0 && busy >= npu->busy_us && now_us > npu->read_us)
        share = (double)(busy - npu->busy_us) / (double)(now_us - npu->read_us);
    npu->busy_us = read ? busy : -1;
    npu->read_us = now_us;
    return share > 1 ? 1 : share; /* not fmin: NAN stays NAN */
}

static void note_missing(mlx_readings_t *out, const char *topic, const char *why)
{
    static const char *const fields[] = {"utilization", "memory_used", "frequency"};
    for (size_t i = 0; i < MLX_COUNT(fields); i++)
        if (!mlx_readings_has(out, topic, fields[i]))
            mlx_readings_missing(out, topic, fields[i], why);
}

static void set_bytes(mlx_value_t *data, double bytes)
{
    if (!isnan(bytes))
        mlx_value_set_int(data, "memory_used", (int64_t)bytes);
}

static void read_npu(npus_t *self, npu_t *npu, int64_t now_us, mlx_value_t *data)
{
    open_files(self, npu);
    double share = busy_share(npu, now_us);
    bool clients = npu->slot[0] && mlx_fdinfo_clients(self->usage, npu->slot) > 0;
    if (isnan(share) && npu->busy < 0 && clients)
        share = mlx_fdinfo_utilization(self->usage, npu->slot);
    mlx_value_set_real(data, "utilization", share);
    set_bytes(data, mlx_sysfile_gauge(npu->memory, 1, 0, MAX_BYTES));
    double hertz = mlx_sysfile_gauge(npu->clock, 1e6, 0, 1e11);
    mlx_value_set_real(data, "frequency", hertz);
    hertz = mlx_sysfile_gauge(npu->clock_max, 1e6, 0, 1e11);
    mlx_value_set_real(data, "frequency_max", hertz);
    if (clients)
        mlx_value_set(data, "processes", mlx_fdinfo_processes(self->usage, npu->slot, true));
}

static void sample_npu(npus_t *self, npu_t *npu, int64_t now_us, mlx_readings_t *out)
{
    char topic[32];
    char id[40];
    (void)snprintf(topic, sizeof topic, "sensor.npu.%u", npu->number);
    (void)snprintf(id, sizeof id, npu->slot[0] ? "accel:%s" : "accel:%s%u",
                   npu->slot[0] ? npu->slot : "accel", npu->number);
    mlx_value_t *data = mlx_readings_topic(out, topic);
    mlx_value_set_str(data, "name", npu->name);
    mlx_value_set_str(data, "vendor", npu->vendor);
    mlx_value_set_str(data, "backend", "npu");
    mlx_value_set_str(data, "id", id);
    if (npu->asleep) {
        npu->busy_us = -1;
        note_missing(out, topic, "the NPU is suspended, reading it would wake it");
        return;
    }
    bool first = npu->busy_us < 0;
    read_npu(self, npu, now_us, data);
    if (first && npu->busy_us >= 0)
        mlx_readings_missing(out, topic, "utilization", "measured from the second reading on");
    note_missing(out, topic, "the driver does not report it, or no program has it open");
}

static bool may_read(void *arg, const char *slot)
{
    const npus_t *self = arg;
    bool all_awake = true;
    for (size_t i = 0; i < self->count; i++) {
        if (slot[0] && strcmp(self->npus[i].slot, slot) == 0)
            return !self->npus[i].asleep;
        all_awake = all_awake && !self->npus[i].asleep;
    }
    return !slot[0] && all_awake;
}

static int npu_sample(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    npus_t *self = state;
    if (now_us - self->scanned_us >= RESCAN_US && self->scanned_us) {
        unsigned numbers[MAX_NPUS];
        if (mlx_sysfile_numbers(numbers, MAX_NPUS, "accel", "", "%s/class/accel",
                                self->env->sys_root) != self->count)
            scan(self);
        self->scanned_us = now_us;
    } else if (!self->scanned_us) {
        self->scanned_us = now_us;
    }
    if (!self->count)
        return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "the NPU is gone");
    for (size_t i = 0; i < self->count; i++)
        self->npus[i].asleep = mlx_rest_asleep(&self->npus[i].rest);
    mlx_fdinfo_update(self->usage, now_us, may_read, self);
    for (size_t i = 0; i < self->count; i++)
        sample_npu(self, &self->npus[i], now_us, out);
    return 0;
}

const mlx_sensor_backend_t mlx_sensor_npu = {
    .name = "npu",
    .min_period_s = 0.5,
    .probe = npu_probe,
    .sample = npu_sample,
    .close = npu_close,
};
