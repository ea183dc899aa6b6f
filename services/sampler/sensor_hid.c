/*  hid: temperatures of an Apple SoC from its HID sensors, where the SMC shows none
 *
 *  macOS 13 and older on M1 have no temperature keys in the SMC, and macOS 26 on M1 has the GPU's
 *  but gives 0 for them; there is a HID service for each sensor
 *  (usage page 0xff00, usage 5). The functions are exported by IOKit and declared in no public
 *  header: they are looked up at run time, so that a macOS without them costs a reading and not the
 *  sampler.
 */
#include "darwin_get.h"
#include "darwin_heat.h"
#include "darwin_keys.h"
#include "darwin_smc.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum {
    USAGE_PAGE_APPLE = 0xff00,
    USAGE_TEMPERATURE = 5,
    EVENT_TEMPERATURE = 15,
    SENSORS_MAX = 512,
    SMC_KEYS_MAX = 8192,
};

typedef struct hid_client *client_t;
typedef struct hid_service *service_t;
typedef struct hid_event *event_t;

typedef struct {
    client_t (*create)(CFAllocatorRef allocator);
    int32_t (*set_matching)(client_t client, CFDictionaryRef matching);
    CFArrayRef (*copy_services)(client_t client);
    CFTypeRef (*copy_property)(service_t service, CFStringRef key);
    event_t (*copy_event)(service_t service, int64_t type, int32_t options, int64_t timestamp);
    double (*float_value)(event_t event, int32_t field);
} api_t;

typedef struct {
    api_t api;
    void *library;
    client_t client;
    CFArrayRef services;
    bool gpu_only; /* the SMC has the processor's */
} state_t;

static const struct {
    const char *prefix; /* of the product's name */
    mlx_heat_place_t place;
} kinds[] = {
    {"pACC MTR Temp", MLX_HEAT_CPU},
    {"eACC MTR Temp", MLX_HEAT_CPU},
    {"PMU tdie", MLX_HEAT_CPU}, /* M2 and later name the die only */
    {"GPU MTR Temp", MLX_HEAT_GPU},
};

static void close_hid(void **state)
{
    state_t *self = *state;
    if (!self)
        return;
    mlx_cf_release_p(&self->services);
    mlx_cf_release_p(&self->client);
    if (self->library)
        dlclose(self->library);
    free(self);
    *state = NULL;
}

static int load_api(state_t *self, mlx_error_t *err)
{
    static const mlx_dl_symbol_t symbols[] = {
        {"IOHIDEventSystemClientCreate", offsetof(api_t, create)},
        {"IOHIDEventSystemClientSetMatching", offsetof(api_t, set_matching)},
        {"IOHIDEventSystemClientCopyServices", offsetof(api_t, copy_services)},
        {"IOHIDServiceClientCopyProperty", offsetof(api_t, copy_property)},
        {"IOHIDServiceClientCopyEvent", offsetof(api_t, copy_event)},
        {"IOHIDEventGetFloatValue", offsetof(api_t, float_value)},
    };
    self->library =
        dlopen("/System/Library/Frameworks/IOKit.framework/IOKit", RTLD_LAZY | RTLD_LOCAL);
    if (!self->library)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "IOKit cannot be opened by name");
    return mlx_dl_load(self->library, symbols, MLX_COUNT(symbols), &self->api, err);
}

static void set_number(CFMutableDictionaryRef dict, CFStringRef key, int32_t value)
{
    MLX_CLEANUP(mlx_cf_release_p)
    CFNumberRef number = CFNumberCreate(kCFAllocatorDefault, kCFNumberSInt32Type, &value);
    if (number)
        CFDictionarySetValue(dict, key, number);
}

static int find_services(state_t *self, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_cf_release_p)
    CFMutableDictionaryRef matching = CFDictionaryCreateMutable(
        kCFAllocatorDefault, 0, &kCFTypeDictionaryKeyCallBacks, &kCFTypeDictionaryValueCallBacks);
    if (!matching)
        return mlx_error_set(err, MLX_ERR_FAILED, "CoreFoundation returned no dictionary");
    set_number(matching, CFSTR("PrimaryUsagePage"), USAGE_PAGE_APPLE);
    set_number(matching, CFSTR("PrimaryUsage"), USAGE_TEMPERATURE);
    self->client = self->api.create(kCFAllocatorDefault);
    if (!self->client)
        return mlx_error_set(err, MLX_ERR_FAILED, "the HID event system refused a client");
    self->api.set_matching(self->client, matching);
    self->services = self->api.copy_services(self->client);
    if (!self->services || CFArrayGetCount(self->services) == 0)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "this machine has no HID temperature sensor");
    return 0;
}

typedef struct {
    bool cpu, gpu;
} smc_t;

/*  What do the keys of the SMC measure? A GPU's key counts when it gives a temperature; a core's
 *  when it is there, as a core that is switched off gives none. */
static smc_t what_smc_has(void)
{
    smc_t has = {false, false};
    mlx_mac_t mac;
    mlx_mac_learn(&mac);
    MLX_CLEANUP(mlx_smc_destroy) mlx_smc_t *smc = mlx_smc_new(NULL);
    uint32_t count = smc ? mlx_smc_count(smc) : 0;
    for (uint32_t i = 0; i < count && i < SMC_KEYS_MAX; i++) {
        char name[5];
        mlx_smc_key_t key;
        double celsius;
        const mlx_heat_kind_t *kind = mlx_smc_name(smc, i, name) ? mlx_heat_kind(&mac, name) : NULL;
        if (!kind || kind->place == MLX_HEAT_OTHER || !mlx_smc_key(smc, name, &key))
            continue;
        bool is_gpu = kind->place == MLX_HEAT_GPU;
        bool is_cpu = !is_gpu;
        has.cpu = has.cpu || is_cpu;
        has.gpu = has.gpu || (is_gpu && mlx_smc_read(smc, &key, &celsius) &&
                              mlx_heat_is_real(MLX_HEAT_GPU, celsius));
    }
    return has;
}

static mlx_heat_place_t place_of(const char *product)
{
    for (size_t i = 0; i < MLX_COUNT(kinds); i++)
        if (strncmp(product, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            return kinds[i].place;
    return MLX_HEAT_OTHER;
}

/*  "PMU tcal", "PMU2 tcal": what the others are calibrated by, always near 52 degrees. */
static bool is_constant(const char *product)
{
    const char *end = strrchr(product, ' ');
    return end && strcmp(end, " tcal") == 0;
}

static bool product_of(const state_t *self, CFIndex index, char *out, size_t size)
{
    CFTypeRef service = CFArrayGetValueAtIndex(self->services, index);
    MLX_CLEANUP(mlx_cf_release_p)
    CFTypeRef name = self->api.copy_property((service_t)(uintptr_t)service, CFSTR("Product"));
    return mlx_cf_text(name, out, size);
}

static bool has_gpu_sensor(const state_t *self)
{
    CFIndex count = CFArrayGetCount(self->services);
    char product[64];
    for (CFIndex i = 0; i < count && i < SENSORS_MAX; i++)
        if (product_of(self, i, product, sizeof product) && place_of(product) == MLX_HEAT_GPU)
            return true;
    return false;
}

static int start(state_t *self, mlx_error_t *err)
{
    static const char same[] = "AppleSMC has the same temperatures";
    smc_t smc = what_smc_has();
    if (smc.cpu && smc.gpu)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, same);
    self->gpu_only = smc.cpu;
    if (load_api(self, err) || find_services(self, err))
        return -1;
    if (self->gpu_only && !has_gpu_sensor(self))
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, same);
    return 0;
}

static int probe_hid(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    (void)env;
    void *self = mlx_alloc(1, sizeof(state_t));
    if (start(self, err)) {
        close_hid(&self);
        return -1;
    }
    *state = self;
    return 0;
}

static bool read_celsius(const api_t *api, service_t service, double *celsius)
{
    MLX_CLEANUP(mlx_cf_release_p)
    event_t event = api->copy_event(service, EVENT_TEMPERATURE, 0, 0);
    if (!event)
        return false;
    /* A field is its event's type in the upper half and its index, here 0, in the lower. */
    *celsius = api->float_value(event, EVENT_TEMPERATURE << 16);
    return true;
}

static void read_sensor(const state_t *self, CFIndex index, mlx_heat_t *heat, mlx_readings_t *out)
{
    char product[64];
    double celsius;
    CFTypeRef service = CFArrayGetValueAtIndex(self->services, index);
    if (!product_of(self, index, product, sizeof product) || is_constant(product) ||
        (self->gpu_only && place_of(product) != MLX_HEAT_GPU))
        return;
    if (read_celsius(&self->api, (service_t)(uintptr_t)service, &celsius))
        mlx_heat_add(heat, place_of(product), product, "hid", celsius, out);
}

static int sample_hid(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    (void)now_us;
    state_t *self = state;
    mlx_heat_t heat = {.sensors = 0};
    CFIndex count = CFArrayGetCount(self->services);
    for (CFIndex i = 0; i < count && i < SENSORS_MAX; i++)
        read_sensor(self, i, &heat, out);
    if (heat.sensors == 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "no HID temperature sensor responds any more");
    mlx_heat_publish(&heat, "there is no HID sensor of that name", out);
    return 0;
}

const mlx_sensor_backend_t mlx_sensor_hid = {
    .name = "hid",
    .min_period_s = 1.0,
    .probe = probe_hid,
    .sample = sample_hid,
    .close = close_hid,
};
