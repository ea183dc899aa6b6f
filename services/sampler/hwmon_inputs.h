/*  hwmon_inputs.h - the inputs of the machine's sensor chips: hwmon
 *  (Documentation/hwmon/sysfs-interface.rst: temp*_input in millidegrees, fan*_input in rpm,
 *  power*_input in microwatts) and thermal zones (Documentation/driver-api/thermal/sysfs-api.rst),
 *  which fill in where a machine has no hwmon chip for the same thing
 *
 *  Looking changes nothing: a suspended device is not asked; a GPU that may suspend by itself, an
 *  NVMe drive and a disk (drivetemp) are asked once a minute at most, so that they can fall asleep
 *  between. Whether a disk stands still cannot be known without asking it: one that moved no data
 *  since it was asked last is not asked at all, as each question would start its time again. Fans
 *  are read every 5 s. Values in between are the last ones, with their age.
 *
 *  What is not a measurement is not a reading: an input with a fault, the constants that some
 *  chips give for what they do not measure, what no machine survives (127 degrees, 65535 rpm).
 *
 *      mlx_hwmon_t *inputs = mlx_hwmon_new("/sys", rank_of);
 *      mlx_hwmon_read(inputs, now_us);
 *      mlx_hwmon_at(inputs, 0)->value;
 *      mlx_hwmon_destroy(&inputs);
 */
#ifndef MLX_SAMPLER_HWMON_INPUTS_H
#define MLX_SAMPLER_HWMON_INPUTS_H

#include "proto/base.h"

typedef struct mlx_hwmon mlx_hwmon_t;

typedef enum {
    MLX_HWMON_TEMPERATURE, /* celsius */
    MLX_HWMON_FAN,         /* revolutions a minute */
    MLX_HWMON_POWER,       /* watts */
    MLX_HWMON_KINDS
} mlx_hwmon_kind_t;

typedef struct {
    mlx_hwmon_kind_t kind;
    char chip[48];
    char label[64];
    double value;    /* NAN: none */
    double age_s;    /* 0: measured now */
    double min, max; /* of a fan; 0: not told */
    bool slow;       /* of a device that may sleep: asked once a minute at most */
    int rank;        /* what the caller's function said of it */
} mlx_hwmon_input_t;

/*  What INPUT means to the caller, by its kind, chip and label: asked once, as names do not change.
 */
typedef int (*mlx_hwmon_rank_fn)(const mlx_hwmon_input_t *input);

/*  Constructor: looks for inputs, reads none. SYS_ROOT is borrowed. Caller owns it and must destroy
 *  it. */
mlx_hwmon_t *mlx_hwmon_new(const char *sys_root, mlx_hwmon_rank_fn rank_of);
void mlx_hwmon_destroy(mlx_hwmon_t **self);

/*  Read what may be read. Looks for inputs again when chips came or went, which is looked after
 *  every minute, and when there was no answer at all. Returns how many have a value or are left
 *  asleep. NOW_US is monotonic. */
size_t mlx_hwmon_read(mlx_hwmon_t *self, int64_t now_us);

size_t mlx_hwmon_count(const mlx_hwmon_t *self);

/*  Borrowed until the next read. */
const mlx_hwmon_input_t *mlx_hwmon_at(const mlx_hwmon_t *self, size_t index);

#endif
