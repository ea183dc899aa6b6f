/*  AMD and Intel GPUs by their kernel drivers' files: amdgpu (Documentation/gpu/amdgpu/thermal.rst,
 *  driver-misc.rst), i915 and xe (Documentation/ABI/testing/sysfs-driver-intel-*), and the clients'
 *  accounts of drm_fdinfo.h. NVIDIA's own driver answers through NVML instead. */
#include "drm_fdinfo.h"
#include "drm_throttle.h"
#include "kfd.h"
#include "rest.h"
#include "sensor.h"
#include "sysfile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_CARDS 64
#define MAX_NODES 256 /* cards of all drivers: displays, and parts of one GPU, have numbers too */
#define MAX_GAUGES 32
#define MAX_HWMON 4 /* folders of one card */
#define RESCAN_US 60000000
#define MAX_WATTS 5000.0
#define STANDS_US 10000000
#define MAX_BYTES 9e15

typedef struct {
    const char *field;
    const char *path; /* in the card's folder; "@" is its first hwmon folder */
    double scale, min, max;
} gauge_t;

/*  Of rows with the same field the first that can be read is used. */
static const gauge_t amdgpu_gauges[] = {
    {"utilization", "device/gpu_busy_percent", 1e-2, 0, 1},
    {"memory_used", "device/mem_info_vram_used", 1, 0, MAX_BYTES},
    {"memory_total", "device/mem_info_vram_total", 1, 0, MAX_BYTES},
    {"frequency", "@/freq1_input", 1, 0, 1e11},
    {"memory_frequency", "@/freq2_input", 1, 0, 1e11},
    {"power", "@/power1_average", 1e-6, 0, MAX_WATTS},
    {"power", "@/power1_input", 1e-6, 0, MAX_WATTS},
    {"power_limit", "@/power1_cap", 1e-6, 0, MAX_WATTS},
    {"temperature", "@/temp1_input", 1e-3, -60, 250},
    {"fan", "@/pwm1", 1.0 / 255, 0, 1},
    {NULL, NULL, 0, 0, 0},
};
static const gauge_t i915_gauges[] = {
    {"frequency", "gt/gt0/rps_act_freq_mhz", 1e6, 0, 1e11},
    {"frequency", "gt_act_freq_mhz", 1e6, 0, 1e11},
    {"energy", "@/energy1_input", 1e-6, 0, 1e15},
    {"power_limit", "@/power1_max", 1e-6, 0, MAX_WATTS},
    {"temperature", "@/temp1_input", 1e-3, -60, 250},
    {NULL, NULL, 0, 0, 0},
};
static const gauge_t xe_gauges[] = {
    {"frequency", "device/tile0/gt0/freq0/act_freq", 1e6, 0, 1e11},
    {"energy", "@/energy1_input", 1e-6, 0, 1e15}, /* the card's, else the package's */
    {"energy", "@/energy2_input", 1e-6, 0, 1e15},
    {"power_limit", "@/power1_cap", 1e-6, 0, MAX_WATTS},
    {"power_limit", "@/power1_max", 1e-6, 0, MAX_WATTS},
    {"temperature", "@/temp2_input", 1e-3, -60, 250}, /* package; temp3 is the memory's */
    {NULL, NULL, 0, 0, 0},
};

static const gauge_t hwmon_gauges[] = {
    {"power", "@/power1_input", 1e-6, 0, MAX_WATTS},
    {"power_limit", "@/power1_max", 1e-6, 0, MAX_WATTS},
    {"temperature", "@/temp1_input", 1e-3, -60, 250},
    {NULL, NULL, 0, 0, 0},
};

typedef struct {
    const char *name; /* DRIVER in the device's uevent */
    const char *vendor;
    const char *brand; /* the vendor as people write it */
    const gauge_t *gauges;
} driver_t;

static const driver_t drivers[] = {
    {"amdgpu", "amd", "AMD", amdgpu_gauges}, {"i915", "intel", "Intel", i915_gauges},
    {"xe", "intel", "Intel", xe_gauges},     {"nouveau", "nvidia", "NVIDIA", hwmon_gauges},
    {"radeon", "amd", "AMD", hwmon_gauges},
};

typedef struct {
    const driver_t *driver;
    char id[40];
    char slot[32];
    char pci[16];
    char name[64];
    struct {
        const gauge_t *gauge;
        int fd;
    } gauges[MAX_GAUGES];
    size_t gauge_count;
    mlx_drm_throttle_t throttle;
    int gtt_used, gtt_total; /* -1 unless the GPU works in main memory */
    bool unified;            /* it does */
    char *dir;
    bool opened; /* its files: not before it is awake */
    mlx_rest_t rest;
    mlx_rest_state_t state; /* in this sample */
    double joules;          /* NAN before the first reading */
    int64_t moved_us;       /* when they were first read, or seen to move */
    int64_t read_us;
} card_t;

typedef struct {
    const mlx_sensor_env_t *env;
    mlx_fdinfo_t *usage;
    mlx_kfd_t *kfd;
    unsigned numbers[MAX_NODES]; /* the cards that the last scan saw, of any driver */
    size_t number_count;
    card_t cards[MAX_CARDS];
    size_t card_count;
    int64_t scanned_us;
    bool rescan; /* a card stopped answering */
} drm_t;

static void forget(drm_t *self)
{
    for (size_t i = 0; i < self->card_count; i++) {
        card_t *card = &self->cards[i];
        for (size_t k = 0; k < card->gauge_count; k++)
            mlx_close_p(&card->gauges[k].fd);
        mlx_drm_throttle_close(&card->throttle);
        mlx_close_p(&card->gtt_used);
        mlx_close_p(&card->gtt_total);
        mlx_rest_close(&card->rest);
        free(card->dir);
    }
    self->card_count = 0;
}

static void drm_close(void **state)
{
    drm_t *self = *state;
    forget(self);
    mlx_fdinfo_destroy(&self->usage);
    mlx_kfd_destroy(&self->kfd);
    mlx_free_p(state);
}

static const driver_t *find_driver(const char *name)
{
    for (size_t i = 0; i < MLX_COUNT(drivers); i++)
        if (strcmp(drivers[i].name, name) == 0)
            return &drivers[i];
    return NULL;
}

static bool has_gauge(const card_t *card, const char *field)
{
    for (size_t i = 0; i < card->gauge_count; i++)
        if (strcmp(card->gauges[i].gauge->field, field) == 0)
            return true;
    return false;
}

static void add_gauge(card_t *card, const gauge_t *gauge, int fd)
{
    if (card->gauge_count == MAX_GAUGES)
        mlx_close_p(&fd);
    if (fd < 0)
        return;
    card->gauges[card->gauge_count].gauge = gauge;
    card->gauges[card->gauge_count++].fd = fd;
}

/*  All that open: of those for the same field the first that reads is used. */
static void open_gauges(card_t *card, const char *dir)
{
    unsigned hwmon[MAX_HWMON];
    size_t count = mlx_sysfile_numbers(hwmon, MAX_HWMON, "hwmon", "", "%s/device/hwmon", dir);
    for (const gauge_t *gauge = card->driver->gauges; gauge->field; gauge++) {
        if (gauge->path[0] != '@')
            add_gauge(card, gauge, mlx_sysfile_open("%s/%s", dir, gauge->path));
        for (size_t i = 0; gauge->path[0] == '@' && i < count; i++)
            add_gauge(
                card, gauge,
                mlx_sysfile_open("%s/device/hwmon/hwmon%u%s", dir, hwmon[i], gauge->path + 1));
    }
}

/*  The first byte of the device ids of AMD's processors with graphics; cards have others. */
static bool is_apu_id(const char *pci)
{
    static const char *const series[] = {"1002:11", "1002:13", "1002:15",
                                         "1002:16", "1002:19", "1002:98"};
    for (size_t i = 0; i < MLX_COUNT(series); i++)
        if (strncmp(pci, series[i], strlen(series[i])) == 0)
            return true;
    return false;
}

/*  An AMD GPU in the processor's package calls a small carve-out VRAM and works in GTT, which is
 *  main memory: the two together are what a model can use. Its gpu_metrics table is of format 2 or
 *  3; cards have 1. Old kernels have no table: there the device's id tells. */
static void open_gtt(card_t *card)
{
    unsigned char header[4];
    MLX_CLEANUP(mlx_close_p) int fd = mlx_sysfile_open("%s/device/gpu_metrics", card->dir);
    bool has_format = fd >= 0 && pread(fd, header, sizeof header, 0) == sizeof header;
    if (has_format ? header[2] < 2 : !is_apu_id(card->pci))
        return;
    card->unified = true;
    card->gtt_used = mlx_sysfile_open("%s/device/mem_info_gtt_used", card->dir);
    card->gtt_total = mlx_sysfile_open("%s/device/mem_info_gtt_total", card->dir);
}

/*  What the kernel tells of a card whether it sleeps or not. */
static void name_card(card_t *card, const char *uevent, unsigned number)
{
    char slot[sizeof card->slot];
    char pci[sizeof card->pci];
    mlx_sysfile_copy(slot, sizeof slot, uevent, "PCI_SLOT_NAME");
    mlx_sysfile_copy(pci, sizeof pci, uevent, "PCI_ID");
    memcpy(card->slot, slot, sizeof slot);
    memcpy(card->pci, pci, sizeof pci);
    if (slot[0])
        (void)snprintf(card->id, sizeof card->id, "drm:%s", slot);
    else
        (void)snprintf(card->id, sizeof card->id, "drm:card%u", number);
    (void)snprintf(card->name, sizeof card->name, "%s GPU %s", card->driver->brand, pci);
}

/*  Open the driver's own files, at the first moment at which the card is awake. */
static void open_card(card_t *card)
{
    char name[sizeof card->name];
    if (card->opened)
        return;
    card->opened = true;
    if (mlx_sysfile_line(name, sizeof name, "%s/device/product_name", card->dir))
        memcpy(card->name, name, sizeof name);
    open_gauges(card, card->dir);
    mlx_drm_throttle_open(&card->throttle, card->driver->name, card->dir);
    if (strcmp(card->driver->name, "amdgpu") == 0)
        open_gtt(card);
}

static void add_card(drm_t *self, unsigned number)
{
    MLX_CLEANUP(mlx_free_p)
    char *dir = mlx_format("%s/class/drm/card%u", self->env->sys_root, number);
    char uevent[2048];
    MLX_CLEANUP(mlx_close_p) int fd = mlx_sysfile_open("%s/device/uevent", dir);
    if (mlx_sysfile_read(fd, uevent, sizeof uevent) < 0)
        return;
    char name[32];
    mlx_sysfile_copy(name, sizeof name, uevent, "DRIVER");
    const driver_t *driver = find_driver(name);
    if (!driver || self->card_count == MAX_CARDS)
        return;
    card_t *card = &self->cards[self->card_count++];
    *card = (card_t){.driver = driver, .gtt_used = -1, .gtt_total = -1, .joules = NAN};
    name_card(card, uevent, number);
    MLX_CLEANUP(mlx_free_p) char *device = mlx_format("%s/device", dir);
    mlx_rest_open(&card->rest, device);
    card->dir = mlx_strdup(dir);
}

static size_t list_cards(const drm_t *self, unsigned *numbers)
{
    return mlx_sysfile_numbers(numbers, MAX_NODES, "card", "", "%s/class/drm", self->env->sys_root);
}

static void scan(drm_t *self)
{
    forget(self);
    self->number_count = list_cards(self, self->numbers);
    for (size_t i = 0; i < self->number_count; i++)
        add_card(self, self->numbers[i]);
    self->rescan = false;
}

/*  Look for cards that came or went; those that stayed keep their counters. */
static void look_again(drm_t *self, int64_t now_us)
{
    if (!self->rescan && now_us - self->scanned_us < RESCAN_US)
        return;
    unsigned numbers[MAX_NODES];
    size_t count = list_cards(self, numbers);
    if (self->rescan || count != self->number_count ||
        memcmp(numbers, self->numbers, count * sizeof *numbers) != 0)
        scan(self);
    self->scanned_us = now_us;
}

static int drm_probe(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    drm_t *self = mlx_alloc(1, sizeof *self);
    self->env = env;
    self->usage = mlx_fdinfo_new(env->proc_root, env->sys_root, "dri");
    self->kfd = mlx_kfd_new(env->proc_root, env->sys_root);
    scan(self);
    *state = self;
    if (self->card_count)
        return 0;
    drm_close(state);
    return mlx_error_set(err, MLX_ERR_NOT_FOUND,
                         "no card of a driver that is known in %s/class/drm", env->sys_root);
}

static void set_reading(mlx_value_t *data, const char *field, double value)
{
    if (isnan(value) || mlx_value_get(data, field))
        return;
    if (strncmp(field, "memory_used", 11) == 0 || strncmp(field, "memory_total", 12) == 0)
        mlx_value_set_int(data, field, (int64_t)value);
    else
        mlx_value_set_real(data, field, value);
}

static void add_gtt(int fd, mlx_value_t *data, const char *field)
{
    int64_t vram;
    double gtt = mlx_sysfile_gauge(fd, 1, 0, MAX_BYTES);
    if (fd < 0)
        return;
    if (isnan(gtt) || !mlx_value_int(data, field, &vram))
        mlx_value_remove(data, field); /* the carve-out alone would mislead */
    else
        mlx_value_set_int(data, field, vram + (int64_t)gtt);
}

/*  Power where the driver only counts energy; a counter that stands still tells none. */
static void add_power(card_t *card, int64_t now_us, mlx_readings_t *out)
{
    mlx_value_t *data = mlx_readings_gpu(out, card->id);
    double joules = NAN;
    mlx_value_real(data, "energy", &joules);
    double watts = (joules - card->joules) * 1e6 / (double)(now_us - card->read_us);
    if (!(joules == card->joules))
        card->moved_us = now_us;
    bool stands = now_us - card->moved_us >= STANDS_US;
    if (stands)
        mlx_readings_missing(out, mlx_readings_gpu_topic(out, card->id), "power",
                             "its energy counter has not moved for 10 s");
    else if (!mlx_value_get(data, "power") && watts >= 0 && watts <= MAX_WATTS)
        mlx_value_set_real(data, "power", watts);
    card->joules = joules;
    card->read_us = now_us;
}

/*  What the clients of the graphics driver use together. */
static void add_sums(const mlx_fdinfo_t *usage, const card_t *card, mlx_value_t *data)
{
    if (!mlx_value_get(data, "utilization"))
        mlx_value_set_real(data, "utilization", mlx_fdinfo_utilization(usage, card->slot));
    mlx_value_set_real(data, "media", mlx_fdinfo_media(usage, card->slot));
    if (mlx_fdinfo_complete(usage) && !has_gauge(card, "memory_used"))
        mlx_value_set_int(data, "memory_used", mlx_fdinfo_memory(usage, card->slot, card->unified));
}

static void add_usage(const drm_t *self, const card_t *card, mlx_readings_t *out)
{
    mlx_value_t *data = mlx_readings_gpu(out, card->id);
    if (mlx_fdinfo_clients(self->usage, card->slot))
        add_sums(self->usage, card, data);
    if (!mlx_fdinfo_complete(self->usage)) {
        mlx_readings_missing(out, mlx_readings_gpu_topic(out, card->id), "processes",
                             "more than 16384 open GPU files: their sums would be too low");
        return;
    }
    mlx_value_t *list = mlx_fdinfo_processes(self->usage, card->slot, card->unified);
    mlx_kfd_add(self->kfd, card->slot, list);
    if (mlx_value_size(list))
        mlx_value_set(data, "processes", list);
    else
        mlx_value_destroy(&list);
}

static void note_missing(mlx_readings_t *out, const char *topic, const char *why)
{
    static const char *const fields[] = {
        "utilization", "memory_used", "memory_total", "frequency",
        "power",       "temperature", "fan",          "throttle",
    };
    for (size_t i = 0; i < MLX_COUNT(fields); i++)
        if (!mlx_readings_has(out, topic, fields[i]))
            mlx_readings_missing(out, topic, fields[i], why);
}

/*  Returns false when a card that is awake gives nothing at all. */
static bool read_gauges(const card_t *card, double *values)
{
    bool any = card->gauge_count == 0;
    for (size_t i = 0; i < card->gauge_count; i++) {
        const gauge_t *gauge = card->gauges[i].gauge;
        values[i] = mlx_sysfile_gauge(card->gauges[i].fd, gauge->scale, gauge->min, gauge->max);
        any = any || !isnan(values[i]);
    }
    return any;
}

static mlx_value_t *add_identity(const card_t *card, mlx_readings_t *out)
{
    mlx_value_t *data = mlx_readings_gpu(out, card->id);
    mlx_value_set_str(data, "name", card->name);
    mlx_value_set_str(data, "vendor", card->driver->vendor);
    mlx_value_set_str(data, "backend", card->driver->name);
    mlx_value_set_str(data, "id", card->id);
    return data;
}

/*  Idle: it says so, or nobody has it open. */
static bool is_busy(const mlx_fdinfo_t *usage, const card_t *card, const mlx_value_t *data)
{
    double utilization;
    if (mlx_value_real(data, "utilization", &utilization))
        return utilization > 0;
    return mlx_fdinfo_clients(usage, card->slot) > 0;
}

/*  Returns false when the card is gone. */
static bool sample_card(const drm_t *self, card_t *card, int64_t now_us, mlx_readings_t *out)
{
    if (card->state != MLX_REST_AWAKE) {
        add_identity(card, out);
        note_missing(out, mlx_readings_gpu_topic(out, card->id), mlx_rest_why(card->state));
        card->joules = NAN;
        return true;
    }
    double values[MAX_GAUGES] = {0};
    open_card(card);
    if (!read_gauges(card, values))
        return false;
    mlx_value_t *data = add_identity(card, out);
    for (size_t i = 0; i < card->gauge_count; i++)
        set_reading(data, card->gauges[i].gauge->field, values[i]);
    add_gtt(card->gtt_used, data, "memory_used");
    add_gtt(card->gtt_total, data, "memory_total");
    if (card->unified)
        mlx_value_set_bool(data, "unified", true);
    add_power(card, now_us, out);
    mlx_drm_throttle_add(&card->throttle, data);
    add_usage(self, card, out);
    note_missing(out, mlx_readings_gpu_topic(out, card->id),
                 "the driver does not report it, or only to root");
    mlx_rest_note(&card->rest, is_busy(self->usage, card, data), now_us);
    return true;
}

/*  Accounts of a card that rests are not read, nor those of a GPU that is another back end's. */
static bool may_read(void *arg, const char *slot)
{
    const drm_t *self = arg;
    bool all_awake = true;
    for (size_t i = 0; i < self->card_count; i++) {
        bool awake = self->cards[i].state == MLX_REST_AWAKE;
        if (slot[0] && strcmp(self->cards[i].slot, slot) == 0)
            return awake;
        all_awake = all_awake && awake;
    }
    return !slot[0] && all_awake;
}

static int drm_sample(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    drm_t *self = state;
    look_again(self, now_us);
    for (size_t i = 0; i < self->card_count; i++)
        self->cards[i].state = mlx_rest_look(&self->cards[i].rest, now_us);
    mlx_fdinfo_update(self->usage, now_us, may_read, self);
    mlx_kfd_update(self->kfd, now_us);
    size_t answered = 0;
    for (size_t i = 0; i < self->card_count; i++)
        answered += sample_card(self, &self->cards[i], now_us, out);
    self->rescan = answered < self->card_count;
    if (!answered)
        return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "none of the %zu GPUs responds",
                             self->card_count);
    return 0;
}

const mlx_sensor_backend_t mlx_sensor_drm = {
    .name = "drm",
    .min_period_s = 0.5,
    .probe = drm_probe,
    .sample = drm_sample,
    .close = drm_close,
};
