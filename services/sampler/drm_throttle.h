/*  drm_throttle.h - why an AMD or Intel GPU's clocks are held down, in words
 *
 *  i915 and xe have a file for each reason (throttle_reason_pl1, reason_thermal, ...) that says 1
 *  while it holds. amdgpu has a mask in its gpu_metrics table, the same for all hardware in the
 *  formats 1.3 and 2.2 to 2.4; the others have none.
 */
#ifndef MLX_SAMPLER_DRM_THROTTLE_H
#define MLX_SAMPLER_DRM_THROTTLE_H

#include "proto/value.h"

enum {
    MLX_DRM_REASONS_MAX = 16
};

typedef struct {
    struct {
        const char *word;
        int fd;
    } reasons[MLX_DRM_REASONS_MAX];
    size_t count;
    int metrics; /* descriptor of amdgpu's table; -1: none */
    size_t mask_at;
    bool opened;
} mlx_drm_throttle_t;

/*  Find the files of the card in folder DIR ("/sys/class/drm/card0"), which must be awake. SELF is
 *  zeroed before; the caller must close it, also when it was not opened. */
void mlx_drm_throttle_open(mlx_drm_throttle_t *self, const char *driver, const char *dir);
void mlx_drm_throttle_close(mlx_drm_throttle_t *self);

/*  Set the list "throttle" of DATA, empty while nothing holds clocks down; nothing where the driver
 *  does not say. */
void mlx_drm_throttle_add(const mlx_drm_throttle_t *self, mlx_value_t *data);

#endif
