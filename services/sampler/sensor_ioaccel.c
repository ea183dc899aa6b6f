/*  ioaccel: GPUs of macOS by their driver's own statistics, any vendor, no privileges
 *
 *  Every graphics driver registers a service below the class IOAccelerator with a dictionary
 *  PerformanceStatistics; which keys it has is the driver's choice, so each is optional. An Apple
 *  GPU shares the machine's memory: its total is the machine's.
 */
#include "darwin_clients.h"
#include "darwin_get.h"
#include "sensor.h"

#include <stdio.h>
#include <string.h>

enum {
    GPUS_MAX = 16
};

typedef struct {
    mlx_clients_t clients[GPUS_MAX];
} state_t;

static int probe_ioaccel(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    (void)env;
    MLX_CLEANUP(mlx_io_release_p) io_iterator_t found = mlx_io_match("IOAccelerator");
    MLX_CLEANUP(mlx_io_release_p) io_object_t first = found ? IOIteratorNext(found) : 0;
    if (!first)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "no GPU driver (IOAccelerator) is registered");
    *state = mlx_alloc(1, sizeof(state_t));
    return 0;
}

static void close_ioaccel(void **state)
{
    mlx_free_p(state);
}

/*  The name is on the accelerator itself (Apple) or on the PCI device above it. */
static bool read_model(io_object_t gpu, char *out, size_t size)
{
    MLX_CLEANUP(mlx_cf_release_p)
    CFTypeRef model = mlx_io_copy_inherited(gpu, CFSTR("model"));
    return mlx_cf_text(model, out, size);
}

static const char *vendor_of(io_object_t gpu)
{
    static const struct {
        const char *prefix; /* of the driver's class */
        const char *vendor;
    } vendors[] = {
        {"AGX", "apple"}, {"Apple", "apple"}, {"AMD", "amd"},
        {"ATI", "amd"},   {"Intel", "intel"}, {"nv", "nvidia"},
    };
    io_name_t class_name = "";
    if (IOObjectGetClass(gpu, class_name) != KERN_SUCCESS)
        return NULL;
    for (size_t i = 0; i < MLX_COUNT(vendors); i++)
        if (strncmp(class_name, vendors[i].prefix, strlen(vendors[i].prefix)) == 0)
            return vendors[i].vendor;
    return NULL;
}

static void read_utilization(mlx_value_t *map, CFDictionaryRef stats, mlx_readings_t *out,
                             const char *topic)
{
    int64_t percent;
    if (mlx_cf_dict_int(stats, CFSTR("Device Utilization %"), &percent) && percent >= 0 &&
        percent <= 100)
        mlx_value_set_real(map, "utilization", (double)percent / 100);
    else
        mlx_readings_missing(out, topic, "utilization", "the GPU driver does not count it");
}

/*  Memory of its own when the driver says so, else the share of the machine's memory in use. */
static void read_memory(mlx_value_t *map, io_object_t gpu, CFDictionaryRef stats,
                        mlx_readings_t *out, const char *topic)
{
    MLX_CLEANUP(mlx_cf_release_p)
    CFTypeRef vram = mlx_io_copy_inherited(gpu, CFSTR("VRAM,totalMB"));
    int64_t total = 0;
    int64_t used = 0;
    bool own = mlx_cf_int(vram, &total) && total > 0 && total < INT32_MAX;
    bool has_used = own ? mlx_cf_dict_int(stats, CFSTR("vramUsedBytes"), &used)
                        : mlx_cf_dict_int(stats, CFSTR("In use system memory"), &used);
    if (has_used && used >= 0)
        mlx_value_set_int(map, "memory_used", used);
    else
        mlx_readings_missing(out, topic, "memory_used", "the GPU driver does not count it");
    if (own)
        mlx_value_set_int(map, "memory_total", total << 20);
    else if (mlx_sysctl_int("hw.memsize", &total) && total > 0)
        mlx_value_set_int(map, "memory_total", total);
}

static void read_processes(mlx_clients_t *clients, io_object_t gpu, int64_t now_us,
                           mlx_value_t *map, mlx_readings_t *out, const char *topic)
{
    mlx_value_t *list = mlx_clients_read(clients, gpu, now_us);
    if (list)
        mlx_value_set(map, "processes", list);
    else
        mlx_readings_missing(out, topic, "processes", "the GPU driver keeps no account of them");
    mlx_readings_missing(out, topic, "media",
                         "macOS does not count how busy the video engines are");
}

static bool read_gpu(state_t *self, io_object_t gpu, size_t index, int64_t now_us,
                     mlx_readings_t *out)
{
    MLX_CLEANUP(mlx_cf_release_p)
    CFTypeRef property = mlx_io_copy_property(gpu, CFSTR("PerformanceStatistics"));
    if (!property || CFGetTypeID(property) != CFDictionaryGetTypeID())
        return false;

    char text[128];
    snprintf(text, sizeof text, "ioaccel:%zu", index);
    mlx_value_t *map = mlx_readings_gpu(out, text);
    const char *topic = mlx_readings_gpu_topic(out, text);
    mlx_value_set_str(map, "id", text);
    mlx_value_set_str(map, "backend", "ioaccel");
    mlx_value_set_str(map, "vendor", vendor_of(gpu));
    if (read_model(gpu, text, sizeof text))
        mlx_value_set_str(map, "name", text);
    read_utilization(map, property, out, topic);
    read_memory(map, gpu, property, out, topic);
    read_processes(&self->clients[index], gpu, now_us, map, out, topic);
    return true;
}

static int sample_ioaccel(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_io_release_p) io_iterator_t found = mlx_io_match("IOAccelerator");
    size_t seen = 0;
    size_t read = 0;
    io_object_t gpu;
    /* Matched again each time: an external GPU comes and goes. */
    for (; found && seen < GPUS_MAX && (gpu = IOIteratorNext(found)); seen++) {
        read += read_gpu(state, gpu, read, now_us, out);
        IOObjectRelease(gpu);
    }
    if (read == 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "%zu GPU driver%s, none with statistics", seen,
                             seen == 1 ? "" : "s");
    return 0;
}

const mlx_sensor_backend_t mlx_sensor_ioaccel = {
    .name = "ioaccel",
    .min_period_s = 0.2,
    .probe = probe_ioaccel,
    .sample = sample_ioaccel,
    .close = close_ioaccel,
};
