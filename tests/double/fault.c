#include "tests/double/fault.h"

#include <stdlib.h>
#include <string.h>

static const char *const NAMES[] = {
    [MLX_FAULT_NONE] = "none",
    [MLX_FAULT_HALF_JSON] = "half-json",
    [MLX_FAULT_GARBAGE] = "garbage-reply",
    [MLX_FAULT_HUGE] = "huge-body",
    [MLX_FAULT_HANG] = "hang",
    [MLX_FAULT_REFUSE] = "refuse",
    [MLX_FAULT_RESET] = "reset-mid-stream",
    [MLX_FAULT_SLOW] = "slow-loris",
    [MLX_FAULT_TYPE] = "wrong-content-type",
    [MLX_FAULT_STATUS] = "status-500",
    [MLX_FAULT_DEEP] = "deep-nesting",
    [MLX_FAULT_CLOSE_AT] = "close-at-byte-",
};

int mlx_fault_parse(mlx_fault_t *fault, const char *name, int64_t count, mlx_error_t *err)
{
    for (size_t i = 0; i < MLX_COUNT(NAMES); i++) {
        if (i == MLX_FAULT_CLOSE_AT) {
            size_t len = strlen(NAMES[i]);
            char *end = NULL;
            long at = strncmp(name, NAMES[i], len) == 0 ? strtol(name + len, &end, 10) : -1;
            if (at < 0 || end == name + len || *end)
                continue;
            *fault = (mlx_fault_t){.kind = MLX_FAULT_CLOSE_AT, .at = at, .count = count};
            return 0;
        }
        if (strcmp(name, NAMES[i]) == 0) {
            *fault = (mlx_fault_t){.kind = (mlx_fault_kind_t)i, .count = count};
            return 0;
        }
    }
    mlx_error_set(err, MLX_ERR_USAGE, "no fault is named '%.80s'", name);
    return mlx_error_hint(err, "see tests/double/fault.h for the names");
}

mlx_fault_t mlx_fault_take(mlx_fault_t *armed)
{
    mlx_fault_t fault = *armed;
    if (armed->kind == MLX_FAULT_NONE || armed->count == 0)
        return (mlx_fault_t){0};
    if (armed->count > 0)
        armed->count--;
    return fault;
}
