/*  Energy of processor packages and their parts: RAPL by powercap
 *  (Documentation/power/powercap/powercap.rst). energy_uj counts microjoules and wraps at
 *  max_energy_range_uj. */
#include "sensor.h"
#include "sysfile.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOPIC "sensor.power"
#define PACKAGE 0 /* row of the table below */
#define MAX_PACKAGES 16
#define MAX_PARTS 8
#define MAX_ZONES ((size_t)MAX_PACKAGES * (1 + MAX_PARTS))
#define MAX_WATTS 5000.0 /* above this a counter was reset rather than wrapped */
#define STANDS_US 10000000

/*  Zone names of the kernel's intel_rapl driver (AMD's too), and our fields. */
static const struct {
    const char *zone;
    const char *field;
} domains[] = {
    {"package", "package"}, {"core", "cpu"}, {"dram", "dram"}, {"uncore", "gpu"}, {"psys", "total"},
};

typedef struct {
    size_t domain;
    int fd;
    int64_t range; /* of the counter; 0 when unknown */
    int64_t last;  /* -1 before the first reading */
    int64_t last_us;
    double joules; /* counter without the wraps; from the first reading on */
    double watts;
    int64_t moved_us; /* when the counter was first read, or seen to move */
} zone_t;

typedef struct {
    zone_t zones[MAX_ZONES];
    size_t count;
} rapl_t;

static void rapl_close(void **state)
{
    rapl_t *self = *state;
    for (size_t i = 0; i < self->count; i++)
        mlx_close_p(&self->zones[i].fd);
    mlx_free_p(state);
}

/*  Returns the errno of a zone that is there and cannot be read, else 0. */
static int add_zone(rapl_t *self, const char *dir)
{
    char name[32];
    if (self->count == MAX_ZONES || !mlx_sysfile_line(name, sizeof name, "%s/name", dir))
        return 0;
    size_t domain = 0;
    while (domain < MLX_COUNT(domains) &&
           strncmp(name, domains[domain].zone, strlen(domains[domain].zone)) != 0)
        domain++;
    if (domain == MLX_COUNT(domains))
        return 0;
    int fd = mlx_sysfile_open("%s/energy_uj", dir);
    if (fd < 0)
        return errno;
    zone_t *zone = &self->zones[self->count++];
    *zone = (zone_t){.domain = domain, .fd = fd, .last = -1};
    MLX_CLEANUP(mlx_close_p) int range = mlx_sysfile_open("%s/max_energy_range_uj", dir);
    if (!mlx_sysfile_int(range, &zone->range) || zone->range < 0)
        zone->range = 0;
    return 0;
}

static int add_package(rapl_t *self, const char *root, unsigned package)
{
    MLX_CLEANUP(mlx_free_p)
    char *dir = mlx_format("%s/class/powercap/intel-rapl:%u", root, package);
    MLX_CLEANUP(mlx_free_p) char *prefix = mlx_format("intel-rapl:%u:", package);
    int denied = add_zone(self, dir);
    unsigned parts[MAX_PARTS];
    size_t count = mlx_sysfile_numbers(parts, MAX_PARTS, prefix, "", "%s/class/powercap", root);
    for (size_t i = 0; i < count; i++) {
        MLX_CLEANUP(mlx_free_p)
        char *part = mlx_format("%s/class/powercap/%s%u", root, prefix, parts[i]);
        int error = add_zone(self, part);
        denied = denied ? denied : error;
    }
    return denied;
}

static int rapl_probe(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    rapl_t *self = mlx_alloc(1, sizeof *self);
    unsigned packages[MAX_PACKAGES];
    size_t count = mlx_sysfile_numbers(packages, MAX_PACKAGES, "intel-rapl:", "",
                                       "%s/class/powercap", env->sys_root);
    int denied = 0;
    for (size_t i = 0; i < count; i++) {
        int error = add_package(self, env->sys_root, packages[i]);
        denied = denied ? denied : error;
    }
    *state = self;
    if (self->count)
        return 0;
    rapl_close(state);
    if (!denied)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "no RAPL energy counter in %s/class/powercap",
                             env->sys_root);
    if (denied != EACCES)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "energy_uj: %s", strerror(denied));
    mlx_error_set(err, MLX_ERR_NOT_FOUND, "energy_uj is readable by root only");
    return mlx_error_hint(err, "a udev rule may give a group read access");
}

/*  Energy since the last reading in joules; NAN or below 0 when the counter did something else than
 *  count. */
static double advance(const zone_t *zone, int64_t now)
{
    if (zone->last < 0)
        return NAN;
    if (now >= zone->last)
        return (double)(now - zone->last) * 1e-6;
    /* below 0 when the range is not known or the counter was above it */
    return (double)(zone->range - zone->last + now) * 1e-6;
}

/*  False when the zone cannot be read. A counter that stands still tells nothing: what is switched
 *  on draws something, and some machines have counters that never move. */
static bool read_zone(zone_t *zone, int64_t now_us)
{
    int64_t now;
    zone->watts = NAN;
    if (!mlx_sysfile_int(zone->fd, &now) || now < 0) {
        zone->last = -1;
        return false;
    }
    double seconds = (double)(now_us - zone->last_us) * 1e-6;
    double joules = advance(zone, now);
    if (seconds > 0 && joules >= 0 && joules / seconds <= MAX_WATTS) {
        zone->watts = joules / seconds;
        zone->joules += joules;
    }
    if (now != zone->last)
        zone->moved_us = now_us;
    zone->last = now;
    zone->last_us = now_us;
    if (now_us - zone->moved_us >= STANDS_US)
        zone->watts = NAN;
    return true;
}

/*  The sums over the zones of DOMAIN; NAN when there is none or one of them is not known: half a
 *  machine's power is not an answer. */
static void sum_domain(const rapl_t *self, size_t domain, double *watts, double *joules)
{
    size_t zones = 0;
    *watts = *joules = 0;
    for (size_t i = 0; i < self->count; i++) {
        if (self->zones[i].domain != domain)
            continue;
        *watts += self->zones[i].watts;
        *joules += self->zones[i].joules;
        zones++;
    }
    if (!zones)
        *watts = *joules = NAN;
}

static bool stands(const rapl_t *self, size_t domain, int64_t now_us)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->zones[i].domain == domain && now_us - self->zones[i].moved_us >= STANDS_US)
            return true;
    return false;
}

static int rapl_sample(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    rapl_t *self = state;
    size_t read = 0;
    for (size_t i = 0; i < self->count; i++)
        read += read_zone(&self->zones[i], now_us);
    if (!read)
        return mlx_error_set(err, MLX_ERR_FAILED, "none of the %zu RAPL counters can be read",
                             self->count);
    mlx_value_t *data = mlx_readings_topic(out, TOPIC);
    for (size_t i = 0; i < MLX_COUNT(domains); i++) {
        double watts;
        double joules;
        sum_domain(self, i, &watts, &joules);
        mlx_value_set_real(data, domains[i].field, watts);
        if (stands(self, i, now_us))
            mlx_readings_missing(out, TOPIC, domains[i].field,
                                 "its energy counter has not moved for 10 s");
        if (i == PACKAGE)
            mlx_value_set_real(data, "energy", joules);
    }
    return 0;
}

const mlx_sensor_backend_t mlx_sensor_rapl = {
    .name = "rapl",
    .min_period_s = 0.5,
    .probe = rapl_probe,
    .sample = rapl_sample,
    .close = rapl_close,
    .topic = TOPIC,
    .fields = "cpu package dram energy",
};
