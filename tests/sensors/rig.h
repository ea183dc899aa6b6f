/*  rig.h - one back end on a private copy of a recorded machine
 *
 *      MLX_CLEANUP(rig_close) rig_t rig = {0};
 *      rig_open(&rig, "amd-desktop", "memory");
 *      assert_int_equal(rig_sample(&rig, 1.0), 0);
 *      check(&rig, "sensor.memory", "total", 67266736128);
 *
 *  Time is the rig's: rig_sample moves it on by the seconds given.
 */
#ifndef MLX_TESTS_SENSORS_RIG_H
#define MLX_TESTS_SENSORS_RIG_H

#include "services/sampler/sensor.h"

typedef struct {
    char *root; /* private folder with proc/ and sys/ */
    char *proc, *sys;
    mlx_sensor_env_t env;
    const mlx_sensor_backend_t *backend;
    void *state; /* NULL when the probe failed */
    mlx_readings_t *readings;
    int64_t now_us;
    mlx_error_t err;
} rig_t;

/*  Copy the tree of MACHINE and probe BACKEND on it; rig.state tells whether it was found. */
void rig_open(rig_t *rig, const char *machine, const char *backend);
void rig_close(rig_t *rig);

/*  A machine of no file yet, not probed; put files and links there, with the folders they need. */
void rig_open_empty(rig_t *rig, const char *backend);
void rig_plant(const rig_t *rig, const char *path, const char *text);
void rig_plant_link(const rig_t *rig, const char *path, const char *target);

/*  Drop the state and probe again. Returns the probe's result. */
int rig_probe(rig_t *rig);

/*  One sample, SECONDS after the one before, into emptied readings. */
int rig_sample(rig_t *rig, double seconds);

/*  Change the tree: files in place, as the kernel does. */
void rig_write(const rig_t *rig, const char *path, const char *text);
void rig_write_bytes(const rig_t *rig, const char *path, const void *data, size_t len);
void rig_remove(const rig_t *rig, const char *path); /* a file: emptied first, as sysfs answers */

/*  What was read: NAN and NULL when absent. */
double rig_real(const rig_t *rig, const char *topic, const char *field);
const char *rig_str(const rig_t *rig, const char *topic, const char *field);
const mlx_value_t *rig_item(const rig_t *rig, const char *topic, const char *list, size_t index);
size_t rig_items(const rig_t *rig, const char *topic, const char *list);

/*  The reason noted for FIELD, or NULL. */
const char *rig_why(const rig_t *rig, const char *topic, const char *field);

/*  Fail unless the field is there and is VALUE to 12 digits; is absent. */
#define check(rig, topic, field, value) rig_check(rig, topic, field, value, __FILE__, __LINE__)
#define check_absent(rig, topic, field) rig_check_absent(rig, topic, field, __FILE__, __LINE__)
void rig_check(const rig_t *rig, const char *topic, const char *field, double value,
               const char *file, int line);
void rig_check_absent(const rig_t *rig, const char *topic, const char *field, const char *file,
                      int line);

const mlx_sensor_backend_t *rig_backend(const char *name);

#endif
