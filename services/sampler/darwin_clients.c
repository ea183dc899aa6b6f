#include "darwin_clients.h"

#include "proto/utf8.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    int64_t pid, used_ns;
    char program[64];
} client_t;

static int64_t sum_usage(CFTypeRef usage)
{
    int64_t sum = 0;
    if (!usage || CFGetTypeID(usage) != CFArrayGetTypeID())
        return 0;
    for (CFIndex i = 0; i < CFArrayGetCount(usage); i++) {
        CFTypeRef entry = CFArrayGetValueAtIndex(usage, i);
        int64_t ns = 0;
        if (entry && CFGetTypeID(entry) == CFDictionaryGetTypeID() &&
            mlx_cf_dict_int(entry, CFSTR("accumulatedGPUTime"), &ns) && ns > 0 &&
            __builtin_add_overflow(sum, ns, &sum))
            return INT64_MAX;
    }
    return sum;
}

/*  False: an entry of another kind. */
static bool read_client(io_object_t entry, client_t *out)
{
    char creator[128];
    MLX_CLEANUP(mlx_cf_release_p)
    CFTypeRef text = mlx_io_copy_property(entry, CFSTR("IOUserClientCreator"));
    MLX_CLEANUP(mlx_cf_release_p)
    CFTypeRef usage = mlx_io_copy_property(entry, CFSTR("AppUsage"));
    MLX_CLEANUP(mlx_cf_release_p)
    CFTypeRef direct = mlx_io_copy_property(entry, CFSTR("accumulatedGPUTime"));
    if ((!usage && !direct) || !mlx_cf_text(text, creator, sizeof creator) ||
        strncmp(creator, "pid ", 4) != 0)
        return false;
    char *end;
    long pid = strtol(creator + 4, &end, 10);
    if (end == creator + 4 || pid < 0 || pid > INT32_MAX)
        return false;
    *out = (client_t){.pid = pid, .used_ns = sum_usage(usage)};
    if (!usage && (!mlx_cf_int(direct, &out->used_ns) || out->used_ns < 0))
        out->used_ns = 0;
    const char *name = strncmp(end, ", ", 2) == 0 ? end + 2 : "";
    MLX_CLEANUP(mlx_free_p) char *line = mlx_utf8_line(name, 0);
    if (strlen(line) < sizeof out->program)
        memcpy(out->program, line, strlen(line) + 1);
    return true;
}

static void merge(client_t *clients, size_t *count, const client_t *one)
{
    for (size_t i = 0; i < *count; i++)
        if (clients[i].pid == one->pid) {
            if (__builtin_add_overflow(clients[i].used_ns, one->used_ns, &clients[i].used_ns))
                clients[i].used_ns = INT64_MAX;
            return;
        }
    if (*count < MLX_CLIENTS_MAX)
        clients[(*count)++] = *one;
}

static double share(const mlx_clients_t *before, const client_t *now, int64_t now_us)
{
    for (size_t i = 0; i < before->count && now_us > before->t_us; i++)
        if (before->seen[i].pid == now->pid && now->used_ns >= before->seen[i].used_ns) {
            double part = (double)(now->used_ns - before->seen[i].used_ns) * 1e-3 /
                          (double)(now_us - before->t_us);
            return part > 1 ? 1 : part;
        }
    return -1;
}

static void remember(mlx_clients_t *self, const client_t *clients, size_t count, int64_t now_us)
{
    self->count = count;
    self->t_us = now_us;
    for (size_t i = 0; i < count; i++) {
        self->seen[i].pid = clients[i].pid;
        self->seen[i].used_ns = clients[i].used_ns;
    }
}

mlx_value_t *mlx_clients_read(mlx_clients_t *self, io_object_t gpu, int64_t now_us)
{
    MLX_CLEANUP(mlx_io_release_p) io_iterator_t children = 0;
    if (IORegistryEntryGetChildIterator(gpu, kIOServicePlane, &children) != KERN_SUCCESS)
        return NULL;
    MLX_CLEANUP(mlx_free_p) client_t *clients = mlx_alloc(MLX_CLIENTS_MAX, sizeof *clients);
    size_t count = 0;
    io_object_t child;
    while (children && (child = IOIteratorNext(children))) {
        client_t one;
        if (read_client(child, &one))
            merge(clients, &count, &one);
        IOObjectRelease(child);
    }
    mlx_value_t *list = count ? mlx_value_list() : NULL;
    for (size_t i = 0; i < count; i++) {
        mlx_value_t *item = mlx_value_append(list, mlx_value_map());
        double part = share(self, &clients[i], now_us);
        mlx_value_set_int(item, "pid", clients[i].pid);
        mlx_value_set_str(item, "program", clients[i].program[0] ? clients[i].program : NULL);
        if (part >= 0)
            mlx_value_set_real(item, "utilization", part);
    }
    remember(self, clients, count, now_us);
    return list;
}
