#include "darwin_keys.h"
#include "darwin_get.h"

#include <string.h>

/*  The first row that fits counts. */
static const mlx_heat_kind_t kinds[] = {
    {"TCMz", MLX_MAC_APPLE_SILICON, MLX_HEAT_DIE_MAX, "CPU die, hottest spot"},
    {"TCMb", MLX_MAC_APPLE_SILICON, MLX_HEAT_DIE_MEAN, "CPU die"},
    {"TC", MLX_MAC_APPLE_SILICON, MLX_HEAT_OTHER, "SoC"},
    {"TC", MLX_MAC_INTEL, MLX_HEAT_CPU, "CPU"},
    {"Tp", MLX_MAC_ANY, MLX_HEAT_CPU, "CPU"},
    {"Te", MLX_MAC_ANY, MLX_HEAT_CPU, "CPU efficiency"},
    {"Tf0", MLX_MAC_M3, MLX_HEAT_CPU, "CPU performance"},
    {"Tf4", MLX_MAC_M3, MLX_HEAT_CPU, "CPU performance"},
    {"Tf1", MLX_MAC_M3, MLX_HEAT_GPU, "GPU"},
    {"Tf2", MLX_MAC_M3, MLX_HEAT_GPU, "GPU"},
    {"Ts", MLX_MAC_SUPER, MLX_HEAT_CPU, "CPU super"},
    {"Ts", MLX_MAC_ANY, MLX_HEAT_OTHER, "SoC"},
    {"Tg", MLX_MAC_ANY, MLX_HEAT_GPU, "GPU"},
    {"TG", MLX_MAC_INTEL, MLX_HEAT_GPU, "GPU"},
    {"TB", MLX_MAC_ANY, MLX_HEAT_OTHER, "battery"},
    {"TH", MLX_MAC_ANY, MLX_HEAT_OTHER, "SSD"},
};

static bool begins(const char *sysctl, const char *text)
{
    char value[64];
    return mlx_sysctl_text(sysctl, value, sizeof value) && strncmp(value, text, strlen(text)) == 0;
}

void mlx_mac_learn(mlx_mac_t *self)
{
    int64_t arm = 0;
    *self = (mlx_mac_t){.is = {[MLX_MAC_ANY] = true}};
    self->is[MLX_MAC_APPLE_SILICON] = mlx_sysctl_int("hw.optional.arm64", &arm) && arm;
    self->is[MLX_MAC_INTEL] = !self->is[MLX_MAC_APPLE_SILICON];
    self->is[MLX_MAC_M3] = begins("machdep.cpu.brand_string", "Apple M3");
    self->is[MLX_MAC_SUPER] = begins("hw.perflevel0.name", "Super");
}

const mlx_heat_kind_t *mlx_heat_kind(const mlx_mac_t *mac, const char *key)
{
    for (size_t i = 0; i < MLX_COUNT(kinds); i++)
        if (mac->is[kinds[i].mac] && strncmp(key, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            return &kinds[i];
    return NULL;
}
