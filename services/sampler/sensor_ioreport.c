/*  ioreport: power, frequency and busy time of an Apple SoC from the kernel's own counters
 *
 *  libIOReport.dylib is private: it is opened at run time and its absence is an ordinary answer.
 *  A subscription to three groups of channels is sampled; the difference of two samples gives
 *    Energy Model   energy by part, in a unit that each channel names for itself (mJ, uJ, nJ),
 *                   published in batches (darwin_energy.h);
 *    CPU Stats      time of each core in each of its states (IDLE, DOWN, then one per frequency);
 *    GPU Stats      the same for the GPU (OFF, P1, P2, ...).
 *  What frequency a state has comes from the tables of the power manager (darwin_dvfs.h).
 */
#include "darwin_dvfs.h"
#include "darwin_energy.h"
#include "darwin_get.h"
#include "darwin_ioreport.h"
#include "sensor.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char power_topic[] = "sensor.power";
static const char cpu_topic[] = "sensor.cpu";
/*  The one GPU of an Apple SoC, see sensor_ioaccel.c. */
static const char gpu_id[] = "ioaccel:0";

typedef enum {
    PART_CPU,
    PART_GPU,
    PART_DRAM,
    PART_ANE,
    PARTS
} part_t;

static const char *const part_field[PARTS] = {"cpu", "gpu", "dram", "ane"};

typedef struct {
    mlx_ioreport_t api;
    void *library;
    mlx_ioreport_subscription_t subscription;
    CFMutableDictionaryRef channels;
    CFDictionaryRef before; /* the previous sample, NULL before the first */
    int64_t before_us;
    double joules; /* since the first sample */
    mlx_energy_t energy[PARTS];
    mlx_dvfs_t dvfs;
} state_t;

/*  What one difference of samples tells. */
typedef struct {
    double joules[PARTS];
    bool has[PARTS];
    mlx_dvfs_use_t gpu;
    struct {
        size_t cores;
        double busy;
        mlx_dvfs_use_t use;
    } tier[MLX_DVFS_TIERS];
    size_t cores;
} tick_t;

static void close_ioreport(void **state)
{
    state_t *self = *state;
    if (!self)
        return;
    mlx_cf_release_p(&self->before);
    mlx_cf_release_p(&self->channels);
    mlx_cf_release_p(&self->subscription);
    if (self->library)
        dlclose(self->library);
    free(self);
    *state = NULL;
}

/*  One dictionary of all channels wanted, or NULL when the machine has none of them. */
static CFMutableDictionaryRef wanted_channels(const mlx_ioreport_t *api)
{
    const struct {
        CFStringRef group, subgroup;
    } wanted[] = {
        {CFSTR("Energy Model"), NULL},
        {CFSTR("CPU Stats"), CFSTR("CPU Core Performance States")},
        {CFSTR("GPU Stats"), CFSTR("GPU Performance States")},
    };
    MLX_CLEANUP(mlx_cf_release_p) CFDictionaryRef all = NULL;
    for (size_t i = 0; i < MLX_COUNT(wanted); i++) {
        CFDictionaryRef some = api->copy_channels(wanted[i].group, wanted[i].subgroup, 0, 0, 0);
        if (some && all)
            api->merge_channels(all, some, NULL);
        if (all)
            mlx_cf_release_p(&some);
        else
            all = some;
    }
    if (!all)
        return NULL;
    return CFDictionaryCreateMutableCopy(kCFAllocatorDefault, CFDictionaryGetCount(all), all);
}

static int subscribe(state_t *self, mlx_error_t *err)
{
    self->library = dlopen("/usr/lib/libIOReport.dylib", RTLD_LAZY | RTLD_LOCAL);
    if (!self->library)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "this macOS has no libIOReport");
    if (mlx_ioreport_load(self->library, &self->api, err))
        return -1;
    self->channels = wanted_channels(&self->api);
    if (!self->channels)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "this machine reports no energy or states");
    /* Who owns the list of subscribed channels is not documented: it is left alone. */
    CFMutableDictionaryRef subscribed = NULL;
    self->subscription = self->api.subscribe(NULL, self->channels, &subscribed, 0, NULL);
    if (!self->subscription)
        return mlx_error_set(err, MLX_ERR_FAILED, "IOReport refused a subscription");
    return 0;
}

static int probe_ioreport(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    (void)env;
    void *self = mlx_alloc(1, sizeof(state_t));
    if (subscribe(self, err)) {
        close_ioreport(&self);
        return -1;
    }
    mlx_dvfs_read(&((state_t *)self)->dvfs);
    *state = self;
    return 0;
}

/*  What a channel of the energy model belongs to. DIE_0_ and the like stand in front of some names
 *  on chips of two dies, numbers behind others. */
static bool part_of(const char *channel, part_t *part)
{
    static const char cpu[] = "CPU Energy";
    static const struct {
        const char *prefix;
        part_t part;
    } prefixes[] = {
        {"GPU Energy", PART_GPU},
        {"ANE", PART_ANE},
        {"DRAM", PART_DRAM},
    };
    size_t len = strlen(channel);
    if (len >= sizeof cpu - 1 && strcmp(channel + len - (sizeof cpu - 1), cpu) == 0) {
        *part = PART_CPU;
        return true;
    }
    for (size_t i = 0; i < MLX_COUNT(prefixes); i++)
        if (strncmp(channel, prefixes[i].prefix, strlen(prefixes[i].prefix)) == 0) {
            *part = prefixes[i].part;
            return true;
        }
    return false;
}

static bool unit_joules(const char *label, double *joules)
{
    static const struct {
        const char *label;
        double joules;
    } units[] = {{"mJ", 1e-3}, {"uJ", 1e-6}, {"nJ", 1e-9}, {"pJ", 1e-12}, {"J", 1}};
    size_t len = strcspn(label, " "); /* padded with blanks on some systems */
    for (size_t i = 0; i < MLX_COUNT(units); i++)
        if (len == strlen(units[i].label) && strncmp(label, units[i].label, len) == 0) {
            *joules = units[i].joules;
            return true;
        }
    return false;
}

static void add_energy(const mlx_ioreport_t *api, CFDictionaryRef channel, const char *name,
                       tick_t *tick)
{
    part_t part;
    char label[16];
    double unit;
    if (!part_of(name, &part) || !mlx_cf_text(api->channel_unit(channel), label, sizeof label) ||
        !unit_joules(label, &unit))
        return;
    int64_t count = api->integer_value(channel, 0);
    tick->has[part] = true;
    if (count > 0) /* below 0 it was set back: what it counted meanwhile is not known */
        tick->joules[part] += (double)count * unit;
}

static void add_core(const state_t *self, CFDictionaryRef channel, const char *name, tick_t *tick,
                     mlx_readings_t *out)
{
    size_t tier;
    mlx_dvfs_use_t use = {0};
    if (!mlx_dvfs_tier(name, &tier) ||
        !mlx_dvfs_use(&self->api, channel, &self->dvfs.tier[tier], &use))
        return;
    mlx_value_t *item = mlx_value_map();
    mlx_value_set_int(item, "id", (int64_t)tick->cores++);
    mlx_value_set_real(item, "utilization", mlx_dvfs_busy(&use));
    mlx_value_set_real(item, "frequency", mlx_dvfs_hertz(&use));
    mlx_readings_item(out, cpu_topic, "core", item);
    tick->tier[tier].cores++;
    tick->tier[tier].busy += mlx_dvfs_busy(&use);
    mlx_dvfs_add(&tick->tier[tier].use, &use);
}

static bool same_text(CFTypeRef value, const char *text)
{
    char buffer[64];
    return mlx_cf_text(value, buffer, sizeof buffer) && strcmp(buffer, text) == 0;
}

/*  NEWEST is the same channel in the last sample, whose values count since boot: a core that was
 *  never anything but off is a place on the die without a core. */
static bool was_ever_on(const mlx_ioreport_t *api, CFDictionaryRef newest)
{
    mlx_dvfs_use_t since_boot = {0};
    return newest && mlx_dvfs_use(api, newest, NULL, &since_boot) &&
           since_boot.total > since_boot.down;
}

static void add_channel(const state_t *self, CFDictionaryRef channel, CFDictionaryRef newest,
                        tick_t *tick, mlx_readings_t *out)
{
    const mlx_ioreport_t *api = &self->api;
    char name[64];
    CFTypeRef group = api->channel_group(channel);
    if (!mlx_cf_text(api->channel_name(channel), name, sizeof name))
        return;
    if (same_text(group, "Energy Model"))
        add_energy(api, channel, name, tick);
    else if (same_text(group, "CPU Stats") && was_ever_on(api, newest))
        add_core(self, channel, name, tick, out);
    else if (same_text(group, "GPU Stats") && strcmp(name, "GPUPH") == 0)
        mlx_dvfs_use(api, channel, &self->dvfs.gpu, &tick->gpu);
}

static CFDictionaryRef channel_at(CFArrayRef list, CFIndex index)
{
    if (!list || index >= CFArrayGetCount(list))
        return NULL;
    CFTypeRef channel = CFArrayGetValueAtIndex(list, index);
    return channel && CFGetTypeID(channel) == CFDictionaryGetTypeID() ? channel : NULL;
}

static int read_channels(const state_t *self, CFDictionaryRef delta, CFDictionaryRef newest,
                         tick_t *tick, mlx_readings_t *out, mlx_error_t *err)
{
    CFArrayRef channels = mlx_cf_array(delta, CFSTR("IOReportChannels"));
    CFArrayRef newest_channels = mlx_cf_array(newest, CFSTR("IOReportChannels"));
    if (!channels)
        return mlx_error_set(err, MLX_ERR_FAILED, "an IOReport sample has no channels");
    for (CFIndex i = 0; i < CFArrayGetCount(channels); i++) {
        CFDictionaryRef channel = channel_at(channels, i);
        if (channel)
            add_channel(self, channel, channel_at(newest_channels, i), tick, out);
    }
    return 0;
}

/*  Watts of a part; NaN with the reason in *WHY. An engine that is off uses nothing and its counter
 *  need not move at once; the processor's moves always. */
static double part_watts(const state_t *self, const tick_t *tick, part_t part, int64_t now_us,
                         const char **why)
{
    const mlx_energy_t *energy = &self->energy[part];
    double watts = mlx_energy_watts(energy, now_us);
    bool may_be_off = part == PART_ANE || part == PART_GPU;
    if (!tick->has[part])
        *why = "no such energy counter";
    else if (mlx_energy_stands(energy, now_us))
        *why = "its energy counter has not moved for 10 s: it is off, or this macOS no longer "
               "counts it";
    else if (may_be_off && !mlx_energy_moved(energy) && mlx_energy_moved(&self->energy[PART_CPU]))
        return 0;
    else
        *why = "its energy counter has not moved yet";
    return tick->has[part] ? watts : (double)NAN;
}

/*  package and energy are the parts that have a counter, together: not without the processor, nor
 *  without the memory where that has one. */
static void publish_package(state_t *self, const tick_t *tick, const double *watts, int64_t now_us,
                            mlx_readings_t *out)
{
    mlx_value_t *map = mlx_readings_topic(out, power_topic);
    double sum = watts[PART_CPU];
    bool stands = !tick->has[PART_CPU] || mlx_energy_stands(&self->energy[PART_CPU], now_us);
    if (tick->has[PART_DRAM]) {
        sum += watts[PART_DRAM];
        stands = stands || mlx_energy_stands(&self->energy[PART_DRAM], now_us);
    }
    sum += isnan(watts[PART_GPU]) ? 0 : watts[PART_GPU];
    sum += isnan(watts[PART_ANE]) ? 0 : watts[PART_ANE];
    mlx_value_set_real(map, "package", sum);
    if (!stands)
        mlx_value_set_real(map, "energy", self->joules);
    const char *why = stands ? "the processor's or the memory's energy is not counted"
                             : "the energy counters have not moved yet";
    mlx_readings_missing(out, power_topic, "package", why);
    mlx_readings_missing(out, power_topic, "energy", why);
}

static void publish_power(state_t *self, const tick_t *tick, int64_t now_us, mlx_readings_t *out)
{
    mlx_value_t *map = mlx_readings_topic(out, power_topic);
    double watts[PARTS];
    for (size_t i = 0; i < PARTS; i++) {
        const char *why = NULL;
        self->joules += tick->joules[i];
        mlx_energy_move(&self->energy[i], tick->joules[i], now_us);
        watts[i] = part_watts(self, tick, (part_t)i, now_us, &why);
        mlx_value_set_real(map, part_field[i], watts[i]);
        if (isnan(watts[i]))
            mlx_readings_missing(out, power_topic, part_field[i], why);
    }
    publish_package(self, tick, watts, now_us, out);
    if (!tick->has[PART_GPU])
        return;
    mlx_value_set_real(mlx_readings_gpu(out, gpu_id), "power", watts[PART_GPU]);
    mlx_readings_missing(out, mlx_readings_gpu_topic(out, gpu_id), "power",
                         "the GPU's energy counter does not move");
}

/*  Why there is no frequency, for a person. */
static const char *no_frequency(const mlx_dvfs_t *dvfs, const mlx_dvfs_use_t *use)
{
    if (use->active <= 0)
        return "the GPU was off all the time";
    return dvfs->gpu.count ? "the GPU was in a state that the registry's table does not have"
                           : "no frequency table in the registry";
}

static void publish_gpu(const state_t *self, const tick_t *tick, mlx_readings_t *out)
{
    if (tick->gpu.total <= 0)
        return;
    mlx_value_t *map = mlx_readings_gpu(out, gpu_id);
    mlx_value_set_real(map, "utilization", mlx_dvfs_busy(&tick->gpu));
    mlx_value_set_real(map, "frequency", mlx_dvfs_hertz(&tick->gpu));
    mlx_readings_missing(out, mlx_readings_gpu_topic(out, gpu_id), "frequency",
                         no_frequency(&self->dvfs, &tick->gpu));
}

/*  Tiers and the levels of hw.perflevelN are both counted from the fastest: the n-th tier that has
 *  cores is level n. */
static void publish_clusters(const tick_t *tick, mlx_readings_t *out)
{
    mlx_dvfs_use_t all = {0};
    int level = 0;
    for (size_t i = 0; i < MLX_DVFS_TIERS; i++) {
        mlx_dvfs_add(&all, &tick->tier[i].use);
        if (tick->tier[i].cores == 0)
            continue;
        char key[64];
        char name[64];
        mlx_value_t *item = mlx_value_map();
        snprintf(key, sizeof key, "hw.perflevel%d.name", level++);
        mlx_value_set_str(item, "name",
                          mlx_sysctl_text(key, name, sizeof name) ? name : mlx_dvfs_tier_name(i));
        mlx_value_set_int(item, "cores", (int64_t)tick->tier[i].cores);
        mlx_value_set_real(item, "utilization", tick->tier[i].busy / (double)tick->tier[i].cores);
        mlx_value_set_real(item, "frequency", mlx_dvfs_hertz(&tick->tier[i].use));
        mlx_readings_item(out, cpu_topic, "cluster", item);
    }
    mlx_value_set_real(mlx_readings_topic(out, cpu_topic), "frequency", mlx_dvfs_hertz(&all));
}

static int publish(state_t *self, CFDictionaryRef newest, int64_t now_us, mlx_readings_t *out,
                   mlx_error_t *err)
{
    MLX_CLEANUP(mlx_cf_release_p)
    CFDictionaryRef delta = self->api.create_delta(self->before, newest, NULL);
    if (!delta)
        return mlx_error_set(err, MLX_ERR_FAILED,
                             "IOReport cannot compute the difference of two samples");
    tick_t tick = {.cores = 0};
    if (read_channels(self, delta, newest, &tick, out, err))
        return -1;
    publish_power(self, &tick, now_us, out);
    publish_gpu(self, &tick, out);
    publish_clusters(&tick, out);
    return 0;
}

static int sample_ioreport(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    state_t *self = state;
    CFDictionaryRef newest = self->api.create_samples(self->subscription, self->channels, NULL);
    if (!newest)
        return mlx_error_set(err, MLX_ERR_FAILED, "IOReport returned no sample");
    int result = 0;
    if (!self->before)
        for (size_t i = 0; i < PARTS; i++)
            mlx_energy_start(&self->energy[i], now_us);
    else if (now_us > self->before_us)
        result = publish(self, newest, now_us, out, err);
    mlx_cf_release_p(&self->before);
    self->before = newest;
    self->before_us = now_us;
    return result;
}

const mlx_sensor_backend_t mlx_sensor_ioreport = {
    .name = "ioreport",
    .min_period_s = 0.2,
    .probe = probe_ioreport,
    .sample = sample_ioreport,
    .close = close_ioreport,
    .topic = power_topic,
    .fields = "cpu gpu dram ane package energy",
};
