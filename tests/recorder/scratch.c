#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int scratch_make(void **state)
{
    scratch_t *self = mlx_alloc(1, sizeof *self);
    strcpy(self->dir, "/tmp/mlx-history-XXXXXX");
    if (!mkdtemp(self->dir))
        return -1;
    snprintf(self->path, sizeof self->path, "%s/history.db", self->dir);
    *state = self;
    return 0;
}

int scratch_remove(void **state)
{
    scratch_t *self = *state;
    mlx_history_destroy(&self->history);
    DIR *folder = opendir(self->dir);
    for (struct dirent *entry; (entry = readdir(folder));) {
        MLX_CLEANUP(mlx_free_p) char *file = mlx_format("%s/%s", self->dir, entry->d_name);
        unlink(file);
    }
    closedir(folder);
    rmdir(self->dir);
    free(self);
    return 0;
}

void scratch_open(scratch_t *self, int64_t now_ms)
{
    mlx_error_t err = {0};
    mlx_history_options_t options = {.path = self->path, .raw_hours = 48, .minute_days = 90};
    self->history = mlx_history_open(&options, now_ms, &err);
    if (!self->history)
        fail_msg("%s", err.text);
}

void scratch_crash(scratch_t *self)
{
    mlx_history_destroy(&self->history);
}

uint64_t scratch_roll(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 0x2545f4914f6cdd1d;
}
