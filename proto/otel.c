#include "proto/otel.h"

#define GPU "sensor.gpu.<n>"
#define GPU_KNOWN_BY "hw.id=id hw.name=name hw.vendor=vendor"
#define BATTERY "hw.id=battery hw.type=battery"

static const mlx_otel_name_t names[] = {
    {GPU, NULL, "utilization", "hw.gpu.utilization", false, "hw.gpu.task=general", GPU_KNOWN_BY},
    {GPU, NULL, "encoder", "hw.gpu.utilization", false, "hw.gpu.task=encoder", GPU_KNOWN_BY},
    {GPU, NULL, "decoder", "hw.gpu.utilization", false, "hw.gpu.task=decoder", GPU_KNOWN_BY},
    {GPU, NULL, "memory_used", "hw.gpu.memory.usage", true, NULL, GPU_KNOWN_BY},
    {GPU, NULL, "memory_total", "hw.gpu.memory.limit", true, NULL, GPU_KNOWN_BY},
    {GPU, NULL, "power", "hw.power", false, "hw.type=gpu", GPU_KNOWN_BY},
    {"sensor.power", NULL, "package", "hw.power", false, "hw.id=package hw.type=cpu", NULL},
    {"sensor.power", NULL, "dram", "hw.power", false, "hw.id=dram hw.type=memory", NULL},
    {"sensor.power", NULL, "battery_power", "hw.power", false, BATTERY, NULL},
    {GPU, NULL, "energy", "hw.energy", true, "hw.type=gpu", GPU_KNOWN_BY},
    {"sensor.power", NULL, "energy", "hw.energy", true, "hw.id=package hw.type=cpu", NULL},
    {GPU, NULL, "temperature", "hw.temperature", false, "hw.type=gpu", GPU_KNOWN_BY},
    {"sensor.temperature", NULL, "cpu", "hw.temperature", false, "hw.id=cpu hw.type=cpu", NULL},
    {GPU, NULL, "fan", "hw.fan.speed_ratio", false, "hw.type=fan", GPU_KNOWN_BY},
    {"sensor.temperature", "fan", "rpm", "hw.fan.speed", false, "hw.type=fan", "hw.id=label"},
    {"sensor.power", NULL, "total", "hw.host.power", false, "hw.id=host", NULL},
    {"sensor.power", NULL, "battery", "hw.battery.charge", false, BATTERY, NULL},
    {"sensor.cpu", NULL, "user", "system.cpu.utilization", false, "cpu.mode=user", NULL},
    {"sensor.cpu", NULL, "system", "system.cpu.utilization", false, "cpu.mode=system", NULL},
    {"sensor.cpu", NULL, "iowait", "system.cpu.utilization", false, "cpu.mode=iowait", NULL},
    {"sensor.memory", NULL, "total", "system.memory.limit", true, NULL, NULL},
    {"sensor.memory", NULL, "used", "system.memory.usage", true, "system.memory.state=used", NULL},
    {"sensor.memory", NULL, "free", "system.memory.usage", true, "system.memory.state=free", NULL},
    {"sensor.memory", NULL, "cached", "system.memory.usage", true, "system.memory.state=cached",
     NULL},
    {"sensor.memory", NULL, "available", "system.memory.linux.available", true, NULL, NULL},
    {"sensor.memory", NULL, "swap_used", "system.paging.usage", true, "system.paging.state=used",
     NULL},
};

const mlx_otel_name_t *mlx_otel_names(size_t *count)
{
    *count = MLX_COUNT(names);
    return names;
}

const char *mlx_otel_unit(mlx_unit_t unit)
{
    static const char *const units[] = {
        [MLX_UNIT_NONE] = "{token}", /* of requests, no other figure is counted */
        [MLX_UNIT_BYTES] = "By",
        [MLX_UNIT_SECONDS] = "s",
        [MLX_UNIT_MICROSECONDS_EPOCH] = "us",
        [MLX_UNIT_WATTS] = "W",
        [MLX_UNIT_JOULES] = "J",
        [MLX_UNIT_CELSIUS] = "Cel",
        [MLX_UNIT_RATIO] = "1",
        [MLX_UNIT_HERTZ] = "Hz",
        [MLX_UNIT_TOKENS_PER_SECOND] = "{token}/s",
        [MLX_UNIT_RPM] = "rpm",
        [MLX_UNIT_BYTES_PER_SECOND] = "By/s",
    };
    return units[unit];
}
