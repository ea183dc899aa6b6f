/*  sensor.h - the one interface between the sampler and everything that can be measured
 *
 *  A back end is one file, one mlx_sensor_backend_t and one line in sensor.c's table. It probes
 *  what the machine has, then fills readings at the sampler's pace. Several back ends may add
 *  fields to the same topic; the first that sets a field wins (table order is order of trust).
 *
 *  Fields, units and their meaning are those of the catalogue (proto/catalogue.h): SI base units
 *  and ratios 0..1. What cannot be read is not set; say why with mlx_readings_missing so that a
 *  person can be told "not available (why)".
 */
#ifndef MLX_SAMPLER_SENSOR_H
#define MLX_SAMPLER_SENSOR_H

#include "proto/error.h"
#include "proto/value.h"

typedef struct mlx_readings mlx_readings_t;

/*  Where a back end looks: the roots are parameters so that recorded trees of other machines can be
 *  read. All strings are borrowed and outlive the back end. */
typedef struct {
    const char *proc_root;                                     /* "/proc" */
    const char *sys_root;                                      /* "/sys" */
    const char *nvml_library;                                  /* "libnvidia-ml.so.1" */
    int (*perf_open)(uint32_t type, uint64_t config, int cpu); /* NULL: the system call */
} mlx_sensor_env_t;

typedef struct {
    const char *name;    /* "nvml", "hwmon", "mach", ... */
    double min_period_s; /* never sampled more often than this: its own cost sets its pace */

    /*  Look for the hardware. 0 and *STATE set when there is something to sample; -1 with the
     *  reason in ERR (MLX_ERR_NOT_FOUND: not on this machine, the normal case). */
    int (*probe)(void **state, const mlx_sensor_env_t *env, mlx_error_t *err);

    /*  Add the present values to OUT. NOW_US is a monotonic clock in microseconds: rates are
     *  differences to the previous call and absent at the first. -1 with ERR when nothing could be
     *  read at all: the sampler counts it, closes the back end and probes again with back-off. */
    int (*sample)(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err);

    /*  Free the state and reset the pointer. */
    void (*close)(void **state);

    /*  What a machine without it lacks: a topic and its fields, separated by spaces. Noted as
     *  missing with the probe's reason. NULL: nothing to note (a GPU that is absent has no
     *  topic). */
    const char *topic;
    const char *fields;
} mlx_sensor_backend_t;

/*  The back ends of this platform in order of trust; *COUNT is set. Static storage. */
const mlx_sensor_backend_t *const *mlx_sensor_backends(size_t *count);

/*  Note in OUT that BACKEND is absent and WHY: its topic's fields are missing. */
void mlx_sensor_absent(const mlx_sensor_backend_t *backend, const char *why, mlx_readings_t *out);

/*  Fill in what follows from the readings of all back ends together: sensor.temperature max and gpu
 *  (the hottest one), sensor.power gpu (all GPUs that measure themselves). */
void mlx_sensor_derive(mlx_readings_t *readings);

/*  A set of readings. One per back end keeps what that back end said last; one more, merged from
 *  them at each tick, is what is published. Caller owns it and must destroy it. */
mlx_readings_t *mlx_readings_new(void);
void mlx_readings_destroy(mlx_readings_t **self);

/*  Forget values and notes; the numbers that GPUs were given stay theirs. */
void mlx_readings_reset(mlx_readings_t *self);

/*  Add everything of OTHER that SELF does not have yet; list fields are joined. Merge in order of
 *  trust. Of readings that were taken AGE_S seconds ago what SELF takes is noted as held. */
void mlx_readings_merge_held(mlx_readings_t *self, const mlx_readings_t *other, double age_s);

/*  The data map of TOPIC ("sensor.memory"), made at the first call. Borrowed: use the
 *  mlx_value_set_* functions on it; mlx_readings_has tells whether an earlier back end set the
 *  field already. */
mlx_value_t *mlx_readings_topic(mlx_readings_t *self, const char *topic);
bool mlx_readings_has(const mlx_readings_t *self, const char *topic, const char *field);

/*  The data map of the GPU with the stable identity ID ("nvml:GPU-uuid", "drm:0000:03:00.0",
 *  "ioaccel:0"); its topic is sensor.gpu.<n> in order of first appearance. Borrowed. */
mlx_value_t *mlx_readings_gpu(mlx_readings_t *self, const char *id);

/*  The topic of that GPU, for the functions that take a topic. Borrowed. */
const char *mlx_readings_gpu_topic(mlx_readings_t *self, const char *id);

/*  Append ITEM (a map; ownership taken) to the list field LIST of TOPIC: temperatures, fans, cores.
 */
void mlx_readings_item(mlx_readings_t *self, const char *topic, const char *list,
                       mlx_value_t *item);

/*  Note that FIELD of TOPIC is not available and WHY ("energy_uj is readable by root only").
 *  Ignored in the end when another back end has set it. */
void mlx_readings_missing(mlx_readings_t *self, const char *topic, const char *field,
                          const char *why);

/*  Note that FIELD of TOPIC was measured AGE_S before this sample: a back end asks for what is dear
 *  less often than for the rest. */
void mlx_readings_held(mlx_readings_t *self, const char *topic, const char *field, double age_s);

/*  Iterate over the topics that have at least one field or one missing note. Borrowed strings and
 *  maps; the map includes the list "missing" of {field, why} and, where there are values of older
 *  readings, the list "held" of {field, age}. */
size_t mlx_readings_count(const mlx_readings_t *self);
const mlx_value_t *mlx_readings_at(mlx_readings_t *self, size_t index, const char **topic);

#endif
