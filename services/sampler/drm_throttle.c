#include "drm_throttle.h"

#include "sysfile.h"

#include <string.h>
#include <unistd.h>

/*  Intel: the end of a file's name, and the word. Those of xe are the same behind "reason_". */
static const struct {
    const char *name, *word;
} intel[] = {
    {"pl1", "power limit"},
    {"pl2", "power limit (short)"},
    {"pl4", "current"},
    {"thermal", "temperature"},
    {"prochot", "processor hot"},
    {"ratl", "temperature (average)"},
    {"vr_thermalert", "voltage regulator hot"},
    {"vr_tdc", "voltage regulator current"},
};

/*  AMD: bits of indep_throttle_status (drivers/gpu/drm/amd/pm/swsmu/inc/amdgpu_smu.h). */
static const struct {
    int from, to;
    const char *word;
} amd[] = {
    {0, 15, "power limit"},
    {16, 31, "current"},
    {32, 47, "temperature"},
    {56, 63, "other"},
};

static void open_intel(mlx_drm_throttle_t *self, const char *dir, bool xe)
{
    for (size_t i = 0; i < MLX_COUNT(intel); i++) {
        int fd = xe ? mlx_sysfile_open("%s/device/tile0/gt0/freq0/throttle/reason_%s", dir,
                                       intel[i].name)
                    : mlx_sysfile_open("%s/gt/gt0/throttle_reason_%s", dir, intel[i].name);
        if (fd < 0)
            continue;
        self->reasons[self->count].word = intel[i].word;
        self->reasons[self->count++].fd = fd;
    }
}

/*  Where the mask is in a table of that format and content revision
 *  (drivers/gpu/drm/amd/include/kgd_pp_interface.h); 0: it has none. */
static size_t mask_place(unsigned format, unsigned content)
{
    if (format == 1)
        return content == 3 ? 112 : 0;
    return format == 2 && content >= 2 && content <= 4 ? 120 : 0;
}

void mlx_drm_throttle_open(mlx_drm_throttle_t *self, const char *driver, const char *dir)
{
    unsigned char header[4];
    self->opened = true;
    self->metrics = -1;
    if (strcmp(driver, "amdgpu") != 0) {
        open_intel(self, dir, strcmp(driver, "xe") == 0);
        return;
    }
    int fd = mlx_sysfile_open("%s/device/gpu_metrics", dir);
    if (fd >= 0 && pread(fd, header, sizeof header, 0) == sizeof header)
        self->mask_at = mask_place(header[2], header[3]);
    if (self->mask_at)
        self->metrics = fd;
    else
        mlx_close_p(&fd);
}

void mlx_drm_throttle_close(mlx_drm_throttle_t *self)
{
    if (!self->opened)
        return;
    for (size_t i = 0; i < self->count; i++)
        mlx_close_p(&self->reasons[i].fd);
    mlx_close_p(&self->metrics);
}

static void add_word(mlx_value_t *list, const char *word)
{
    mlx_value_append(list, mlx_value_new_str(word));
}

/*  All ones, as a driver writes that has no such figure, holds nothing down. */
static bool read_mask(const mlx_drm_throttle_t *self, uint64_t *mask)
{
    unsigned char bytes[8];
    *mask = 0;
    if (self->metrics < 0 ||
        pread(self->metrics, bytes, sizeof bytes, (off_t)self->mask_at) != sizeof bytes)
        return false;
    for (size_t i = sizeof bytes; i-- > 0;)
        *mask = *mask << 8 | bytes[i];
    return *mask != UINT64_MAX;
}

void mlx_drm_throttle_add(const mlx_drm_throttle_t *self, mlx_value_t *data)
{
    uint64_t mask;
    bool known = read_mask(self, &mask);
    mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; known && i < MLX_COUNT(amd); i++)
        if (mask >> amd[i].from & (UINT64_MAX >> (63 - amd[i].to + amd[i].from)))
            add_word(list, amd[i].word);
    for (size_t i = 0; i < self->count; i++) {
        int64_t holds;
        bool read = mlx_sysfile_int(self->reasons[i].fd, &holds);
        known = known || read;
        if (read && holds)
            add_word(list, self->reasons[i].word);
    }
    if (known)
        mlx_value_set(data, "throttle", list);
    else
        mlx_value_destroy(&list);
}
