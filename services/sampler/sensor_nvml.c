/*  NVIDIA GPUs through the driver's management library, loaded at run time (nvml_abi.h), and only
 *  while there is a GPU that is awake: a session keeps every GPU that it opened from sleeping. */
#include "nvml_pci.h"
#include "nvml_read.h"
#include "sysfile.h"

#include <stdio.h>
#include <string.h>

#define MAX_GPUS 64
#define RESCAN_US 60000000

typedef struct {
    const mlx_sensor_env_t *env;
    int meminfo;
    mlx_nvml_pci_t known[MAX_GPUS]; /* on the PCI bus; none where the GPU is not a PCI device */
    size_t known_count;
    int64_t scanned_us;
    bool open; /* a session */
    mlx_nvml_t api;
    mlx_nvml_gpu_t gpus[MAX_GPUS];
    size_t gpu_count;
} nvml_t;

static void end_session(nvml_t *self)
{
    if (self->open)
        mlx_nvml_close(&self->api);
    self->open = false;
    self->gpu_count = 0;
}

static void nvml_close(void **state)
{
    nvml_t *self = *state;
    end_session(self);
    mlx_nvml_pci_close(self->known, self->known_count);
    mlx_close_p(&self->meminfo);
    mlx_free_p(state);
}

/*  Which of the bus's GPUs is the one that was opened as number INDEX? */
static mlx_nvml_pci_t *place_of(nvml_t *self, const mlx_nvml_gpu_t *gpu, unsigned index)
{
    nvml_pci_t pci = {0};
    if (!self->known_count)
        return NULL;
    if (self->api.pci && self->api.pci(gpu->handle, &pci) == NVML_SUCCESS) {
        pci.address[sizeof pci.address - 1] = '\0';
        return mlx_nvml_pci_find(self->known, self->known_count, pci.address);
    }
    unsigned count = 0; /* both count in order of address */
    bool same = self->api.count(&count) == NVML_SUCCESS && count == self->known_count;
    return same && index < count ? &self->known[index] : NULL;
}

static void name_gpu(nvml_t *self, mlx_nvml_gpu_t *gpu, unsigned index, mlx_nvml_pci_t *place)
{
    const mlx_nvml_t *api = &self->api;
    char uuid[NVML_UUID_SIZE] = "";
    if (!api->name || api->name(gpu->handle, gpu->name, sizeof gpu->name) != NVML_SUCCESS)
        gpu->name[0] = '\0';
    gpu->name[sizeof gpu->name - 1] = '\0';
    if (!api->uuid || api->uuid(gpu->handle, uuid, sizeof uuid) != NVML_SUCCESS)
        (void)snprintf(uuid, sizeof uuid, "%u", index);
    (void)snprintf(gpu->id, sizeof gpu->id, "nvml:%.*s", NVML_UUID_SIZE - 1, uuid);
    if (!place)
        place = place_of(self, gpu, index);
    (void)snprintf(gpu->key, sizeof gpu->key, "%s", place ? place->key : gpu->id);
    if (!place)
        return;
    if (gpu->name[0])
        memcpy(place->name, gpu->name, sizeof place->name);
    memcpy(place->id, gpu->id, sizeof place->id);
}

/*  All GPUs, by their number. A lost one has no handle; the others are still good. */
static nvml_return_t open_all(nvml_t *self)
{
    unsigned count = 0;
    nvml_return_t lost = NVML_SUCCESS;
    nvml_return_t code = self->api.count(&count);
    for (unsigned i = 0; code == NVML_SUCCESS && i < count && self->gpu_count < MAX_GPUS; i++) {
        mlx_nvml_gpu_t *gpu = &self->gpus[self->gpu_count];
        *gpu = (mlx_nvml_gpu_t){0};
        nvml_return_t answer = self->api.handle(i, &gpu->handle);
        if (answer != NVML_SUCCESS) {
            lost = answer;
            continue;
        }
        name_gpu(self, gpu, i, NULL);
        self->gpu_count++;
    }
    return code == NVML_SUCCESS && self->gpu_count == 0 ? lost : code;
}

/*  Those that are awake, by their address: the others are not touched. */
static nvml_return_t open_awake(nvml_t *self)
{
    nvml_return_t lost = NVML_NOT_SUPPORTED;
    for (unsigned i = 0; self->api.by_bus && i < self->known_count; i++) {
        mlx_nvml_pci_t *place = &self->known[i];
        mlx_nvml_gpu_t *gpu = &self->gpus[self->gpu_count];
        *gpu = (mlx_nvml_gpu_t){0};
        if (place->state != MLX_REST_AWAKE)
            continue;
        nvml_return_t answer = self->api.by_bus(place->bus, &gpu->handle);
        if (answer != NVML_SUCCESS) {
            lost = answer;
            continue;
        }
        name_gpu(self, gpu, i, place);
        self->gpu_count++;
    }
    return self->gpu_count ? NVML_SUCCESS : lost;
}

static int start_session(nvml_t *self, bool all, mlx_error_t *err)
{
    if (mlx_nvml_open(&self->api, self->env->nvml_library, err))
        return -1;
    self->open = true;
    nvml_return_t code = all ? open_all(self) : open_awake(self);
    if (code == NVML_SUCCESS && self->gpu_count)
        return 0;
    end_session(self);
    if (code != NVML_SUCCESS)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "NVML: %s (%d)", mlx_nvml_explain(code),
                             (int)code);
    return mlx_error_set(err, MLX_ERR_NOT_FOUND, "NVML reports no GPU");
}

/*  How many GPUs of the bus may be asked at NOW_US; *CHANGED when those are others than before. */
static size_t look(nvml_t *self, int64_t now_us, bool *changed)
{
    size_t awake = 0;
    *changed = false;
    for (size_t i = 0; i < self->known_count; i++) {
        mlx_nvml_pci_t *place = &self->known[i];
        mlx_rest_state_t before = place->state;
        place->state = mlx_rest_look(&place->rest, now_us);
        awake += place->state == MLX_REST_AWAKE;
        *changed = *changed || (before == MLX_REST_AWAKE) != (place->state == MLX_REST_AWAKE);
    }
    return awake;
}

/*  Have a session with the GPUs that are awake, and none without such. */
static int adjust_session(nvml_t *self, int64_t now_us, mlx_error_t *err)
{
    bool changed;
    size_t awake = look(self, now_us, &changed);
    if (changed || (self->known_count && !awake))
        end_session(self);
    if (self->open || (self->known_count && !awake))
        return 0;
    return start_session(self, awake == self->known_count, err);
}

/*  An external GPU comes and goes: look at the bus again, and begin again when it shows others. */
static void look_at_bus(nvml_t *self, int64_t now_us)
{
    if (now_us - self->scanned_us < RESCAN_US)
        return;
    self->scanned_us = now_us;
    mlx_nvml_pci_t found[MAX_GPUS];
    size_t count = mlx_nvml_pci_scan(found, MAX_GPUS, self->env->sys_root);
    bool same = count == self->known_count;
    for (size_t i = 0; same && i < count; i++)
        same = strcmp(found[i].bus, self->known[i].bus) == 0;
    if (same) {
        mlx_nvml_pci_close(found, count);
        return;
    }
    end_session(self);
    mlx_nvml_pci_close(self->known, self->known_count);
    memcpy(self->known, found, count * sizeof *found);
    self->known_count = count;
}

static int nvml_probe(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    nvml_t *self = mlx_alloc(1, sizeof *self);
    *state = self;
    self->env = env;
    self->meminfo = mlx_sysfile_open("%s/meminfo", env->proc_root);
    self->known_count = mlx_nvml_pci_scan(self->known, MAX_GPUS, env->sys_root);
    int rc = 0;
    if (!mlx_nvml_is_there(env->nvml_library))
        rc = mlx_error_set(err, MLX_ERR_NOT_FOUND, "no NVIDIA driver library (%s)",
                           env->nvml_library);
    else
        rc = adjust_session(self, 0, err);
    if (rc)
        nvml_close(state);
    return rc;
}

/*  A GPU that is not asked is still there. */
static void add_resting(const mlx_nvml_pci_t *place, mlx_readings_t *out)
{
    static const char *const fields[] = {
        "utilization", "memory_used", "memory_total", "frequency", "power",
        "energy",      "temperature", "fan",          "throttle",  "processes",
        "encoder",     "decoder",     "pcie_tx",      "pcie_rx",
    };
    mlx_value_t *data = mlx_readings_gpu(out, place->key);
    mlx_value_set_str(data, "name", place->name);
    mlx_value_set_str(data, "vendor", "nvidia");
    mlx_value_set_str(data, "backend", "nvml");
    mlx_value_set_str(data, "id", place->id[0] ? place->id : place->key);
    const char *topic = mlx_readings_gpu_topic(out, place->key);
    for (size_t i = 0; i < MLX_COUNT(fields); i++)
        mlx_readings_missing(out, topic, fields[i], mlx_rest_why(place->state));
}

static mlx_nvml_pci_t *place_by_key(nvml_t *self, const char *key)
{
    for (size_t i = 0; i < self->known_count; i++)
        if (strcmp(self->known[i].key, key) == 0)
            return &self->known[i];
    return NULL;
}

static int nvml_sample(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    nvml_t *self = state;
    look_at_bus(self, now_us);
    if (adjust_session(self, now_us, err))
        return -1;
    for (size_t i = 0; i < self->gpu_count; i++) {
        mlx_nvml_gpu_t *gpu = &self->gpus[i];
        mlx_nvml_pci_t *place = place_by_key(self, gpu->key);
        bool busy;
        const mlx_nvml_machine_t machine = {self->meminfo, self->env->proc_root};
        nvml_return_t code = mlx_nvml_read(&self->api, gpu, &machine, now_us, out, &busy);
        if (code != NVML_SUCCESS)
            return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "NVML: %s: %s", gpu->name,
                                 mlx_nvml_explain(code));
        if (place)
            mlx_rest_note(&place->rest, busy, now_us);
    }
    for (size_t i = 0; i < self->known_count; i++)
        if (self->known[i].state != MLX_REST_AWAKE)
            add_resting(&self->known[i], out);
    return 0;
}

const mlx_sensor_backend_t mlx_sensor_nvml = {
    .name = "nvml",
    .min_period_s = 0.5,
    .probe = nvml_probe,
    .sample = nvml_sample,
    .close = nvml_close,
};
