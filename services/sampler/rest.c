#include "rest.h"

#include "sysfile.h"

#include <string.h>

#define FIRST_PATIENCE_US 15000000
#define LAST_PATIENCE_US 960000000
#define ALONE_US 20000000

void mlx_rest_open(mlx_rest_t *self, const char *dir)
{
    *self = (mlx_rest_t){
        .status = mlx_sysfile_open("%s/power/runtime_status", dir),
        .power_state = mlx_sysfile_open("%s/power_state", dir),
        .control = mlx_sysfile_open("%s/power/control", dir),
        .idle_us = -1,
        .patience_us = FIRST_PATIENCE_US,
    };
}

void mlx_rest_close(mlx_rest_t *self)
{
    mlx_close_p(&self->status);
    mlx_close_p(&self->power_state);
    mlx_close_p(&self->control);
}

/*  The file's text begins with WORD. */
static bool says(int fd, const char *word)
{
    char text[32];
    return mlx_sysfile_read(fd, text, sizeof text) > 0 && strncmp(text, word, strlen(word)) == 0;
}

bool mlx_rest_asleep(const mlx_rest_t *self)
{
    return says(self->status, "suspend") || says(self->status, "resuming") ||
           says(self->power_state, "D3");
}

bool mlx_rest_may_sleep(const mlx_rest_t *self)
{
    return says(self->control, "auto");
}

mlx_rest_state_t mlx_rest_look(mlx_rest_t *self, int64_t now_us)
{
    if (mlx_rest_asleep(self)) {
        self->idle_us = -1;
        self->until_us = now_us;
        self->patience_us = FIRST_PATIENCE_US;
        return MLX_REST_ASLEEP;
    }
    return now_us < self->until_us ? MLX_REST_ALONE : MLX_REST_AWAKE;
}

void mlx_rest_note(mlx_rest_t *self, bool busy, int64_t now_us)
{
    if (busy || !mlx_rest_may_sleep(self)) {
        self->idle_us = -1;
    } else if (self->idle_us < 0) {
        self->idle_us = now_us;
    } else if (now_us - self->idle_us >= self->patience_us) {
        self->idle_us = -1;
        self->until_us = now_us + ALONE_US;
        if (self->patience_us < LAST_PATIENCE_US)
            self->patience_us *= 2; /* set back as soon as it has slept */
    }
}

const char *mlx_rest_why(mlx_rest_state_t state)
{
    return state == MLX_REST_ASLEEP ? "the GPU is suspended, reading it would wake it"
                                    : "the GPU is idle and left alone so that it can suspend";
}
