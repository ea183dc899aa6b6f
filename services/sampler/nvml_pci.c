#include "nvml_pci.h"

#include "sysfile.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define VENDOR "0x10de"
#define DISPLAY_CLASS "0x03"

/*  The driver that holds the device is NVIDIA's, or is not known. */
static bool is_drivers(const char *dir)
{
    char target[256];
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/driver", dir);
    ssize_t len = readlink(path, target, sizeof target - 1);
    if (len <= 0)
        return true;
    target[len] = '\0';
    const char *slash = strrchr(target, '/');
    return strcmp(slash ? slash + 1 : target, "nvidia") == 0;
}

static bool is_gpu(const char *dir)
{
    char text[16];
    return mlx_sysfile_line(text, sizeof text, "%s/vendor", dir) && strcmp(text, VENDOR) == 0 &&
           mlx_sysfile_line(text, sizeof text, "%s/class", dir) &&
           strncmp(text, DISPLAY_CLASS, strlen(DISPLAY_CLASS)) == 0 && is_drivers(dir);
}

static void describe(mlx_nvml_pci_t *gpu, const char *bus, const char *dir)
{
    char device[16];
    *gpu = (mlx_nvml_pci_t){.state = MLX_REST_ASLEEP};
    memcpy(gpu->bus, bus, strlen(bus) + 1); /* the caller checked its length */
    (void)snprintf(gpu->key, sizeof gpu->key, "pci:%s", gpu->bus);
    if (mlx_sysfile_line(device, sizeof device, "%s/device", dir) && strncmp(device, "0x", 2) == 0)
        (void)snprintf(gpu->name, sizeof gpu->name, "NVIDIA GPU 10de:%s", device + 2);
    else
        (void)snprintf(gpu->name, sizeof gpu->name, "NVIDIA GPU");
    mlx_rest_open(&gpu->rest, dir);
}

static int by_bus(const void *a, const void *b)
{
    const mlx_nvml_pci_t *x = a;
    const mlx_nvml_pci_t *y = b;
    return strcmp(x->bus, y->bus);
}

size_t mlx_nvml_pci_scan(mlx_nvml_pci_t *out, size_t max, const char *sys_root)
{
    MLX_CLEANUP(mlx_free_p) char *root = mlx_format("%s/bus/pci/devices", sys_root);
    DIR *dir = opendir(root);
    size_t count = 0;
    const struct dirent *entry;
    while (dir && count < max && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof out->bus)
            continue;
        MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", root, entry->d_name);
        if (is_gpu(path))
            describe(&out[count++], entry->d_name, path);
    }
    if (dir)
        closedir(dir);
    qsort(out, count, sizeof *out, by_bus);
    return count;
}

void mlx_nvml_pci_close(mlx_nvml_pci_t *gpus, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mlx_rest_close(&gpus[i].rest);
}

mlx_nvml_pci_t *mlx_nvml_pci_find(mlx_nvml_pci_t *gpus, size_t count, const char *bus)
{
    size_t len = strlen(bus);
    for (size_t i = 0; i < count; i++) {
        size_t own = strlen(gpus[i].bus);
        if (len >= own && strcasecmp(bus + len - own, gpus[i].bus) == 0)
            return &gpus[i];
    }
    return NULL;
}
