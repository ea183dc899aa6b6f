#include "hwmon_inputs.h"

#include "rest.h"
#include "sysfile.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_CHIPS 128    /* hwmon chips and thermal zones */
#define MAX_INPUTS 512   /* of one kind on one chip: a processor may have a sensor for each core */
#define MAX_SENSORS 2048 /* in all */
#define RESCAN_US 60000000
#define SLOW_US 60000000
#define FAN_US 5000000                 /* slower than it is heard; mainboard chips answer slowly */
#define KEEP_US (3 * (int64_t)SLOW_US) /* a value that is older is the past */

static const struct {
    const char *prefix;
    double scale, min, max;
} kinds[MLX_HWMON_KINDS] = {
    /* unwired inputs and faults give values out of these ranges */
    [MLX_HWMON_TEMPERATURE] = {"temp", 1e-3, -60, 125},
    [MLX_HWMON_FAN] = {"fan", 1, 0, 50000},
    [MLX_HWMON_POWER] = {"power", 1e-6, 0, 100000},
};

/*  What some chips give for something that they do not measure. */
static const struct {
    const char *chip; /* start of its name, in any case of letters */
    double value;
} constants[] = {
    {"PMIC", 100}, /* Jetson */
};

/*  Chips of devices that sleep when they are not asked. */
static const struct {
    const char *chip;
    bool always; /* else only where the device may suspend by itself */
    bool disk;   /* it has a motor */
} sleepers[] = {
    {"amdgpu", false, false},  {"radeon", false, false}, {"nouveau", false, false},
    {"i915", false, false},    {"xe", false, false},     {"nvme", true, false},
    {"drivetemp", true, true},
};

typedef struct {
    char name[48];
    char *dir;
    mlx_rest_t rest, parent; /* of its device, and of the one above that */
    bool slow, disk;
    int traffic; /* descriptor of the disk's stat file */
    int64_t moved;
    int64_t asked_us; /* 0: never */
    bool awake, ask;  /* in this round */
} chip_t;

typedef struct {
    mlx_hwmon_input_t shown;
    size_t chip;
    unsigned number;
    int fd, fault;
    int64_t read_us;
} input_t;

typedef struct {
    chip_t chips[MAX_CHIPS];
    size_t chip_count;
    input_t *inputs; /* grows to MAX_SENSORS */
    size_t count;
} set_t;

struct mlx_hwmon {
    const char *sys_root;
    mlx_hwmon_rank_fn rank_of;
    set_t *set;
    uint64_t folders; /* of the chips, as the last scan saw them */
    int64_t scanned_us;
    bool rescan; /* nothing answered: it may have been unplugged */
};

static void destroy_set(set_t **set)
{
    if (!*set)
        return;
    for (size_t i = 0; i < (*set)->count; i++) {
        mlx_close_p(&(*set)->inputs[i].fd);
        mlx_close_p(&(*set)->inputs[i].fault);
    }
    for (size_t i = 0; i < (*set)->chip_count; i++) {
        mlx_rest_close(&(*set)->chips[i].rest);
        mlx_rest_close(&(*set)->chips[i].parent);
        mlx_close_p(&(*set)->chips[i].traffic);
        free((*set)->chips[i].dir);
    }
    free((*set)->inputs);
    mlx_free_p(set);
}

/*  The stat file of the disk behind a drivetemp chip: device/block/sda/stat, or sdab's. */
static int open_traffic(const char *dir)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/device/block", dir);
    DIR *folder = opendir(path);
    int fd = -1;
    const struct dirent *entry;
    while (folder && fd < 0 && (entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            fd = mlx_sysfile_open("%s/%s/stat", path, entry->d_name);
    if (folder)
        closedir(folder);
    return fd;
}

/*  Takes ownership of DIR. False when there are too many. */
static bool add_chip(set_t *set, char *dir, const char *name)
{
    if (set->chip_count == MAX_CHIPS) {
        free(dir);
        return false;
    }
    chip_t *chip = &set->chips[set->chip_count++];
    *chip = (chip_t){.dir = dir, .traffic = -1, .moved = -1};
    (void)snprintf(chip->name, sizeof chip->name, "%s", name);
    MLX_CLEANUP(mlx_free_p) char *device = mlx_format("%s/device", dir);
    MLX_CLEANUP(mlx_free_p) char *above = mlx_format("%s/device", device);
    mlx_rest_open(&chip->rest, device);
    mlx_rest_open(&chip->parent, above);
    for (size_t i = 0; i < MLX_COUNT(sleepers); i++)
        if (strcmp(name, sleepers[i].chip) == 0) {
            chip->slow = sleepers[i].always || mlx_rest_may_sleep(&chip->rest);
            chip->disk = sleepers[i].disk;
        }
    if (chip->disk)
        chip->traffic = open_traffic(dir);
    return true;
}

/*  Takes ownership of FD. NULL when there is none, or there are too many. */
static input_t *add_input(set_t *set, mlx_hwmon_kind_t kind, int fd, const char *label)
{
    if (fd < 0 || set->count == MAX_SENSORS) {
        mlx_close_p(&fd);
        return NULL;
    }
    set->inputs = mlx_grow(set->inputs, set->count, sizeof *set->inputs);
    input_t *input = &set->inputs[set->count++];
    *input = (input_t){.fd = fd, .fault = -1, .chip = set->chip_count - 1};
    input->shown = (mlx_hwmon_input_t){.kind = kind, .value = NAN};
    input->shown.slow = set->chips[input->chip].slow;
    memcpy(input->shown.chip, set->chips[input->chip].name, sizeof input->shown.chip);
    (void)snprintf(input->shown.label, sizeof input->shown.label, "%s", label);
    return input;
}

static double limit_of(const char *dir, const char *prefix, unsigned number, const char *which)
{
    MLX_CLEANUP(mlx_close_p) int fd = mlx_sysfile_open("%s/%s%u_%s", dir, prefix, number, which);
    double value = mlx_sysfile_gauge(fd, 1, 1, kinds[MLX_HWMON_FAN].max);
    return isnan(value) ? 0 : value;
}

static void scan_kind(set_t *set, mlx_hwmon_kind_t kind, const char *dir, const char *chip)
{
    const char *prefix = kinds[kind].prefix;
    unsigned numbers[MAX_INPUTS];
    size_t count = mlx_sysfile_numbers(numbers, MAX_INPUTS, prefix, "_input", "%s", dir);
    for (size_t i = 0; i < count; i++) {
        char label[64];
        if (!mlx_sysfile_line(label, sizeof label, "%s/%s%u_label", dir, prefix, numbers[i]))
            (void)snprintf(label, sizeof label, "%s %s%u", chip, prefix, numbers[i]);
        int fd = mlx_sysfile_open("%s/%s%u_input", dir, prefix, numbers[i]);
        input_t *input = add_input(set, kind, fd, label);
        if (!input)
            continue;
        input->number = numbers[i];
        input->fault = mlx_sysfile_open("%s/%s%u_fault", dir, prefix, numbers[i]);
        if (kind == MLX_HWMON_FAN) {
            input->shown.min = limit_of(dir, prefix, numbers[i], "min");
            input->shown.max = limit_of(dir, prefix, numbers[i], "max");
        }
    }
}

static void scan_chips(set_t *set, const char *root)
{
    unsigned chips[MAX_CHIPS];
    size_t count = mlx_sysfile_numbers(chips, MAX_CHIPS, "hwmon", "", "%s/class/hwmon", root);
    for (size_t i = 0; i < count; i++) {
        char *dir = mlx_format("%s/class/hwmon/hwmon%u", root, chips[i]);
        char chip[48];
        if (!mlx_sysfile_line(chip, sizeof chip, "%s/name", dir)) {
            free(dir);
            continue;
        }
        if (!add_chip(set, dir, chip))
            return;
        for (size_t kind = 0; kind < MLX_HWMON_KINDS; kind++)
            scan_kind(set, (mlx_hwmon_kind_t)kind, dir, chip);
    }
}

/*  The kernel gives many zones a hwmon chip of the same name, with '_' for '-'. COUNT: of inputs,
 *  without those of zones, as two zones may share a type. */
static bool has_chip(const set_t *set, size_t count, const char *zone)
{
    char chip[48];
    (void)snprintf(chip, sizeof chip, "%s", zone);
    for (char *p = chip; *p; p++)
        if (*p == '-')
            *p = '_';
    for (size_t i = 0; i < count; i++)
        if (strcmp(set->inputs[i].shown.chip, chip) == 0)
            return true;
    return false;
}

static void scan_zones(set_t *set, const char *root)
{
    unsigned zones[MAX_CHIPS];
    size_t count =
        mlx_sysfile_numbers(zones, MAX_CHIPS, "thermal_zone", "", "%s/class/thermal", root);
    size_t of_chips = set->count;
    for (size_t i = 0; i < count; i++) {
        char *dir = mlx_format("%s/class/thermal/thermal_zone%u", root, zones[i]);
        char type[48];
        if (!mlx_sysfile_line(type, sizeof type, "%s/type", dir) || has_chip(set, of_chips, type)) {
            free(dir);
            continue;
        }
        if (!add_chip(set, dir, type))
            return;
        add_input(set, MLX_HWMON_TEMPERATURE, mlx_sysfile_open("%s/temp", dir), type);
    }
}

/*  What NOW's chips and inputs said when they were OLD's: a new look around asks nobody. */
static void carry_over(set_t *now, const set_t *old)
{
    for (size_t i = 0; i < now->chip_count; i++)
        for (size_t k = 0; k < old->chip_count; k++)
            if (strcmp(now->chips[i].dir, old->chips[k].dir) == 0 &&
                strcmp(now->chips[i].name, old->chips[k].name) == 0) {
                now->chips[i].asked_us = old->chips[k].asked_us;
                now->chips[i].moved = old->chips[k].moved;
            }
    for (size_t i = 0; i < now->count; i++)
        for (size_t k = 0; k < old->count; k++) {
            input_t *input = &now->inputs[i];
            const input_t *before = &old->inputs[k];
            if (input->number == before->number && input->shown.kind == before->shown.kind &&
                strcmp(now->chips[input->chip].dir, old->chips[before->chip].dir) == 0) {
                input->shown.value = before->shown.value;
                input->read_us = before->read_us;
            }
        }
}

static uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * 0x100000001b3u;
}

/*  One number for all folders of chips: another one when a chip came, went, or was put in place of
 *  another. */
static uint64_t look_at_folders(const char *root)
{
    static const struct {
        const char *folder, *prefix;
    } kinds_of[] = {{"hwmon", "hwmon"}, {"thermal", "thermal_zone"}};
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t i = 0; i < MLX_COUNT(kinds_of); i++) {
        const char *folder = kinds_of[i].folder;
        const char *prefix = kinds_of[i].prefix;
        unsigned numbers[MAX_CHIPS];
        size_t count =
            mlx_sysfile_numbers(numbers, MAX_CHIPS, prefix, "", "%s/class/%s", root, folder);
        for (size_t k = 0; k < count; k++) {
            MLX_CLEANUP(mlx_free_p)
            char *path = mlx_format("%s/class/%s/%s%u", root, folder, prefix, numbers[k]);
            struct stat entry;
            if (stat(path, &entry))
                continue;
            sum = mix(mix(sum, numbers[k]), entry.st_ino);
            sum = mix(mix(sum, (uint64_t)entry.st_mtim.tv_sec), (uint64_t)entry.st_mtim.tv_nsec);
        }
    }
    return sum;
}

static void scan(mlx_hwmon_t *self)
{
    set_t *old = self->set;
    self->set = mlx_alloc(1, sizeof *self->set);
    self->folders = look_at_folders(self->sys_root);
    scan_chips(self->set, self->sys_root);
    scan_zones(self->set, self->sys_root);
    for (size_t i = 0; i < self->set->count; i++)
        self->set->inputs[i].shown.rank = self->rank_of(&self->set->inputs[i].shown);
    if (old)
        carry_over(self->set, old);
    destroy_set(&old);
    self->rescan = false;
}

mlx_hwmon_t *mlx_hwmon_new(const char *sys_root, mlx_hwmon_rank_fn rank_of)
{
    mlx_hwmon_t *self = mlx_alloc(1, sizeof *self);
    self->sys_root = sys_root;
    self->rank_of = rank_of;
    scan(self);
    return self;
}

void mlx_hwmon_destroy(mlx_hwmon_t **self)
{
    if (!*self)
        return;
    destroy_set(&(*self)->set);
    mlx_free_p(self);
}

/*  Did the disk move data since it was asked last? True when nobody counts it. The file's first and
 *  fifth numbers are the reads and the writes that were done. */
static bool has_moved(chip_t *chip)
{
    char text[256];
    int64_t numbers[5];
    if (mlx_sysfile_read(chip->traffic, text, sizeof text) < 0)
        return true;
    const char *p = text;
    for (size_t i = 0; i < MLX_COUNT(numbers); i++)
        if (!mlx_sysfile_parse_int(&p, &numbers[i]))
            return true;
    int64_t moved = (int64_t)((uint64_t)numbers[0] + (uint64_t)numbers[4]);
    bool has = moved != chip->moved;
    chip->moved = moved;
    return has;
}

static void decide(chip_t *chip, int64_t now_us)
{
    chip->awake = !mlx_rest_asleep(&chip->rest) && !mlx_rest_asleep(&chip->parent);
    chip->ask =
        chip->awake && (!chip->slow || !chip->asked_us || now_us - chip->asked_us >= SLOW_US);
    if (!chip->ask)
        return;
    chip->asked_us = now_us;
    chip->ask = !chip->disk || has_moved(chip);
}

static bool is_constant(const input_t *input, double value)
{
    for (size_t i = 0; i < MLX_COUNT(constants); i++)
        if (strncasecmp(input->shown.chip, constants[i].chip, strlen(constants[i].chip)) == 0 &&
            value == constants[i].value)
            return true;
    return false;
}

/*  Some drivers of boards say degrees where thousandths belong: so little above the freezing point
 *  is no reading of a chip. */
static double as_degrees(double celsius)
{
    return celsius > 0 && celsius <= 0.125 ? celsius * 1000 : celsius;
}

static double measure(const input_t *input)
{
    mlx_hwmon_kind_t kind = input->shown.kind;
    int64_t fault;
    if (mlx_sysfile_int(input->fault, &fault) && fault)
        return NAN;
    double value =
        mlx_sysfile_gauge(input->fd, kinds[kind].scale, kinds[kind].min, kinds[kind].max);
    value = kind == MLX_HWMON_TEMPERATURE ? as_degrees(value) : value;
    return is_constant(input, value) ? (double)NAN : value;
}

/*  An input that is not asked may have been unplugged meanwhile. */
static bool is_gone(const input_t *input, const chip_t *chip)
{
    MLX_CLEANUP(mlx_free_p)
    char *path =
        mlx_format("%s/%s%u_input", chip->dir, kinds[input->shown.kind].prefix, input->number);
    return access(path, F_OK) != 0;
}

static bool is_due(const input_t *input, int64_t now_us)
{
    return input->shown.kind != MLX_HWMON_FAN || !input->read_us || isnan(input->shown.value) ||
           now_us - input->read_us >= FAN_US;
}

/*  Returns false when INPUT was asked and has no value. EAGER: ask it before its time. */
static bool update(input_t *input, const chip_t *chip, int64_t now_us, bool eager)
{
    bool ask = chip->ask && (eager || is_due(input, now_us));
    if (ask) {
        input->shown.value = measure(input);
        input->read_us = now_us;
    }
    bool past = now_us - input->read_us > KEEP_US;
    if (!chip->awake || past || (!chip->ask && is_gone(input, chip)))
        input->shown.value = NAN;
    input->shown.age_s = (double)(now_us - input->read_us) * 1e-6;
    return !ask || !isnan(input->shown.value);
}

/*  Returns how many inputs have a value or are left asleep. */
static size_t update_all(set_t *set, int64_t now_us, bool eager)
{
    size_t alive = 0;
    size_t early = 0;
    for (size_t i = 0; i < set->count; i++) {
        input_t *input = &set->inputs[i];
        const chip_t *chip = &set->chips[input->chip];
        bool answers = update(input, chip, now_us, eager);
        bool held = answers && chip->ask && input->shown.age_s > 0;
        early += held;
        alive += answers && !held;
    }
    return alive ? alive + early : eager || !early ? 0 : update_all(set, now_us, true);
}

size_t mlx_hwmon_read(mlx_hwmon_t *self, int64_t now_us)
{
    bool due = now_us - self->scanned_us >= RESCAN_US;
    if (self->rescan || (due && look_at_folders(self->sys_root) != self->folders))
        scan(self);
    if (self->rescan || due)
        self->scanned_us = now_us;
    for (size_t i = 0; i < self->set->chip_count; i++)
        decide(&self->set->chips[i], now_us);
    size_t alive = update_all(self->set, now_us, false);
    self->rescan = alive == 0;
    return alive;
}

size_t mlx_hwmon_count(const mlx_hwmon_t *self)
{
    return self->set->count;
}

const mlx_hwmon_input_t *mlx_hwmon_at(const mlx_hwmon_t *self, size_t index)
{
    return &self->set->inputs[index].shown;
}
