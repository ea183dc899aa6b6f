/*  amc: what an Apple SoC's memory controllers move, from their counters in IOReport
 *
 *  Group "AMC Stats", "Perf Counters": one channel for each client and direction, in bytes. "DCS
 *  RD" and "DCS WR" are the sums of all clients, on chips of two dies one for each ("DIE_0 DCS
 *  RD"); those of the video engines begin with AVE, AVD, VDEC, VENC, JPG, PRORES. A subscription
 *  of its own: on some chips (M3 Max, M4 Pro and later) the kernel lists these channels and
 *  refuses to count them, and would refuse all others with them.
 */
#include "darwin_get.h"
#include "darwin_ioreport.h"
#include "sensor.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static const char topic[] = "sensor.memory";
static const char gpu_id[] = "ioaccel:0"; /* see sensor_ioaccel.c */

typedef struct {
    void *library;
    mlx_ioreport_t api;
    mlx_ioreport_subscription_t subscription;
    CFMutableDictionaryRef channels;
    CFDictionaryRef before;
    int64_t before_us;
} state_t;

/*  Bytes since the sample before. */
typedef struct {
    int64_t bytes[2]; /* read, written */
    bool known[2];
} flow_t;

static void close_amc(void **state)
{
    state_t *self = *state;
    if (!self)
        return;
    mlx_cf_release_p(&self->before);
    mlx_cf_release_p(&self->channels);
    mlx_cf_release_p(&self->subscription);
    if (self->library)
        dlclose(self->library);
    mlx_free_p(state);
}

static int subscribe(state_t *self, mlx_error_t *err)
{
    self->library = dlopen("/usr/lib/libIOReport.dylib", RTLD_LAZY | RTLD_LOCAL);
    if (!self->library)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "this macOS has no libIOReport");
    if (mlx_ioreport_load(self->library, &self->api, err))
        return -1;
    MLX_CLEANUP(mlx_cf_release_p)
    CFDictionaryRef found =
        self->api.copy_channels(CFSTR("AMC Stats"), CFSTR("Perf Counters"), 0, 0, 0);
    if (!found)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "this chip's memory controllers do not count");
    self->channels =
        CFDictionaryCreateMutableCopy(kCFAllocatorDefault, CFDictionaryGetCount(found), found);
    CFMutableDictionaryRef subscribed = NULL; /* see sensor_ioreport.c */
    self->subscription = self->api.subscribe(NULL, self->channels, &subscribed, 0, NULL);
    if (!self->subscription)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND,
                             "macOS does not let this chip's memory controllers be counted");
    return 0;
}

static int probe_amc(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    (void)env;
    void *self = mlx_alloc(1, sizeof(state_t));
    if (subscribe(self, err)) {
        close_amc(&self);
        return -1;
    }
    *state = self;
    return 0;
}

/*  The name behind "DIE_0 " and the like. */
static const char *without_die(const char *name)
{
    const char *space = strchr(name, ' ');
    return strncmp(name, "DIE_", 4) == 0 && space ? space + 1 : name;
}

static bool is_media(const char *name)
{
    static const char *const engines[] = {"AVE", "AVD", "VDEC", "VENC", "JPG", "PRORES"};
    for (size_t i = 0; i < MLX_COUNT(engines); i++)
        if (strncmp(name, engines[i], strlen(engines[i])) == 0)
            return true;
    return false;
}

static void add_channel(const mlx_ioreport_t *api, CFDictionaryRef channel, flow_t *all,
                        flow_t *media)
{
    char text[64];
    if (!mlx_cf_text(api->channel_name(channel), text, sizeof text))
        return;
    const char *name = without_die(text);
    bool writes = mlx_ends_with(name, "DCS WR");
    if (!writes && !mlx_ends_with(name, "DCS RD"))
        return;
    flow_t *flow = strncmp(name, "DCS ", 4) == 0 ? all : is_media(name) ? media : NULL;
    int64_t bytes = api->integer_value(channel, 0);
    if (!flow || bytes < 0 ||
        __builtin_add_overflow(flow->bytes[writes], bytes, &flow->bytes[writes]))
        return;
    flow->known[writes] = true;
}

static void publish(const flow_t *flow, double seconds, mlx_value_t *map, const char *read,
                    const char *write)
{
    if (flow->known[0])
        mlx_value_set_real(map, read, (double)flow->bytes[0] / seconds);
    if (flow->known[1])
        mlx_value_set_real(map, write, (double)flow->bytes[1] / seconds);
}

static int read_delta(const state_t *self, CFDictionaryRef newest, double seconds,
                      mlx_readings_t *out, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_cf_release_p)
    CFDictionaryRef delta = self->api.create_delta(self->before, newest, NULL);
    CFArrayRef channels = delta ? mlx_cf_array(delta, CFSTR("IOReportChannels")) : NULL;
    if (!channels)
        return mlx_error_set(err, MLX_ERR_FAILED,
                             "IOReport cannot compute the difference of two samples");
    flow_t all = {.bytes = {0}};
    flow_t media = {.bytes = {0}};
    for (CFIndex i = 0; i < CFArrayGetCount(channels); i++) {
        CFTypeRef channel = CFArrayGetValueAtIndex(channels, i);
        if (channel && CFGetTypeID(channel) == CFDictionaryGetTypeID())
            add_channel(&self->api, channel, &all, &media);
    }
    publish(&all, seconds, mlx_readings_topic(out, topic), "bandwidth_read", "bandwidth_write");
    if (media.known[0] || media.known[1])
        publish(&media, seconds, mlx_readings_gpu(out, gpu_id), "media_read", "media_write");
    return 0;
}

static int sample_amc(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    state_t *self = state;
    CFDictionaryRef newest = self->api.create_samples(self->subscription, self->channels, NULL);
    if (!newest)
        return mlx_error_set(err, MLX_ERR_FAILED, "IOReport returned no sample");
    int rc = 0;
    if (self->before && now_us > self->before_us)
        rc = read_delta(self, newest, (double)(now_us - self->before_us) * 1e-6, out, err);
    mlx_readings_missing(out, topic, "bandwidth_read", "measured from the second reading on");
    mlx_readings_missing(out, topic, "bandwidth_write", "measured from the second reading on");
    mlx_cf_release_p(&self->before);
    self->before = newest;
    self->before_us = now_us;
    return rc;
}

const mlx_sensor_backend_t mlx_sensor_amc = {
    .name = "amc",
    .min_period_s = 0.5,
    .probe = probe_amc,
    .sample = sample_amc,
    .close = close_amc,
    .topic = topic,
    .fields = "bandwidth_read bandwidth_write",
};
