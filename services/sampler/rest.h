/*  rest.h - may a device be asked now, or would that wake it or keep it awake?
 *
 *  A device under runtime power management (Documentation/power/runtime_pm.rst) is woken by most
 *  reads of its driver's files, and each such read starts its idle time again: a GPU that is asked
 *  every second never falls asleep. So a suspended device is not asked at all, and one that may
 *  suspend by itself (power/control is "auto") and has been idle for a while is left alone for 20
 *  s: long enough for every driver's own delay. Where that did not make it sleep (a display hangs
 *  on it), the next try comes later and later.
 *
 *      mlx_rest_t rest;
 *      mlx_rest_open(&rest, "/sys/bus/pci/devices/0000:01:00.0");
 *      if (mlx_rest_look(&rest, now_us) == MLX_REST_AWAKE) {
 *          ...read...
 *          mlx_rest_note(&rest, busy, now_us);
 *      }
 *      mlx_rest_close(&rest);
 *
 *  The three files read here are the kernel's own account: reading them wakes nothing.
 */
#ifndef MLX_SAMPLER_REST_H
#define MLX_SAMPLER_REST_H

#include "proto/base.h"

typedef enum {
    MLX_REST_AWAKE,  /* ask */
    MLX_REST_ALONE,  /* awake and idle: given the time to fall asleep */
    MLX_REST_ASLEEP, /* suspended, or on its way there or back */
} mlx_rest_state_t;

typedef struct {
    int status, power_state, control; /* descriptors; -1 where the device has no such file */
    int64_t idle_us;                  /* idle since; -1: not idle */
    int64_t until_us;                 /* left alone until */
    int64_t patience_us;              /* how long it must have been idle before it is left alone */
} mlx_rest_t;

/*  Look at the device in folder DIR, which need not be there: then it is always awake. The caller
 *  must close it. */
void mlx_rest_open(mlx_rest_t *self, const char *dir);
void mlx_rest_close(mlx_rest_t *self);

/*  Whether the device sleeps, and whether it may fall asleep by itself. */
bool mlx_rest_asleep(const mlx_rest_t *self);
bool mlx_rest_may_sleep(const mlx_rest_t *self);

/*  What may be done with it at NOW_US (monotonic). */
mlx_rest_state_t mlx_rest_look(mlx_rest_t *self, int64_t now_us);

/*  Tell what was seen while it was awake: BUSY when anything uses it, or when nobody can say. */
void mlx_rest_note(mlx_rest_t *self, bool busy, int64_t now_us);

/*  Why a GPU in that state has no readings, for a person. Static. */
const char *mlx_rest_why(mlx_rest_state_t state);

#endif
