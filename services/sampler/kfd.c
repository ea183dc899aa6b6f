#include "kfd.h"

#include "program.h"
#include "sysfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_US 5000000
#define MAX_GPUS 16
#define MAX_PROCESSES 256
#define MAX_FILES 512 /* kept open in all */

typedef struct {
    unsigned number; /* the driver's own, in the names of files */
    char slot[32];
    int64_t units;
} gpu_t;

/*  A process on one GPU. */
typedef struct {
    unsigned pid;
    size_t gpu;
    char program[24];
    int memory, occupancy; /* descriptors */
} use_t;

struct mlx_kfd {
    const char *proc_root, *sys_root;
    gpu_t gpus[MAX_GPUS];
    size_t gpu_count;
    use_t uses[MAX_FILES / 2];
    size_t count;
    unsigned pids[MAX_PROCESSES]; /* of the last look */
    size_t pid_count;
    int64_t looked_us;
};

static bool property(const char *text, const char *key, int64_t *out)
{
    const char *p = mlx_sysfile_find(text, key, ' ');
    return p && mlx_sysfile_parse_int(&p, out) && *out >= 0;
}

/*  Processors are nodes as well: their number is 0. */
static void add_gpu(mlx_kfd_t *self, unsigned node)
{
    char text[4096];
    int64_t number;
    int64_t place;
    int64_t domain = 0;
    int64_t lanes;
    int64_t of_unit;
    const char *nodes = "class/kfd/kfd/topology/nodes";
    MLX_CLEANUP(mlx_close_p)
    int id = mlx_sysfile_open("%s/%s/%u/gpu_id", self->sys_root, nodes, node);
    MLX_CLEANUP(mlx_close_p)
    int properties = mlx_sysfile_open("%s/%s/%u/properties", self->sys_root, nodes, node);
    if (!mlx_sysfile_int(id, &number) || number <= 0 || number > UINT32_MAX ||
        mlx_sysfile_read(properties, text, sizeof text) < 0 ||
        !property(text, "location_id", &place) || place > 0xffff)
        return;
    (void)property(text, "domain", &domain);
    gpu_t *gpu = &self->gpus[self->gpu_count++];
    *gpu = (gpu_t){.number = (unsigned)number};
    (void)snprintf(gpu->slot, sizeof gpu->slot, "%04x:%02x:%02x.%x",
                   (unsigned)(domain & 0xffffffff), (unsigned)(place >> 8),
                   (unsigned)(place >> 3 & 0x1f), (unsigned)(place & 7));
    if (property(text, "simd_count", &lanes) && property(text, "simd_per_cu", &of_unit) && of_unit)
        gpu->units = lanes / of_unit;
}

static void find_gpus(mlx_kfd_t *self)
{
    unsigned nodes[64];
    size_t count = mlx_sysfile_numbers(nodes, MLX_COUNT(nodes), "", "",
                                       "%s/class/kfd/kfd/topology/nodes", self->sys_root);
    self->gpu_count = 0;
    for (size_t i = 0; i < count && self->gpu_count < MAX_GPUS; i++)
        add_gpu(self, nodes[i]);
}

mlx_kfd_t *mlx_kfd_new(const char *proc_root, const char *sys_root)
{
    mlx_kfd_t *self = mlx_alloc(1, sizeof *self);
    self->proc_root = proc_root;
    self->sys_root = sys_root;
    self->looked_us = -1;
    return self;
}

static void forget(mlx_kfd_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        mlx_close_p(&self->uses[i].memory);
        mlx_close_p(&self->uses[i].occupancy);
    }
    self->count = 0;
}

void mlx_kfd_destroy(mlx_kfd_t **self)
{
    if (!*self)
        return;
    forget(*self);
    mlx_free_p(self);
}

static void add_process(mlx_kfd_t *self, unsigned pid)
{
    char program[24] = "";
    mlx_program_name(program, sizeof program, self->proc_root, pid);
    for (size_t i = 0; i < self->gpu_count && self->count < MLX_COUNT(self->uses); i++) {
        unsigned gpu = self->gpus[i].number;
        MLX_CLEANUP(mlx_free_p)
        char *dir = mlx_format("%s/class/kfd/kfd/proc/%u", self->sys_root, pid);
        int memory = mlx_sysfile_open("%s/vram_%u", dir, gpu);
        if (memory < 0)
            continue;
        use_t *use = &self->uses[self->count++];
        *use = (use_t){.pid = pid, .gpu = i, .memory = memory};
        use->occupancy = mlx_sysfile_open("%s/stats_%u/cu_occupancy", dir, gpu);
        memcpy(use->program, program, sizeof program);
    }
}

void mlx_kfd_update(mlx_kfd_t *self, int64_t now_us)
{
    unsigned pids[MAX_PROCESSES];
    if (self->looked_us >= 0 && now_us - self->looked_us < LOOK_US)
        return;
    self->looked_us = now_us;
    size_t count =
        mlx_sysfile_numbers(pids, MAX_PROCESSES, "", "", "%s/class/kfd/kfd/proc", self->sys_root);
    if (count == self->pid_count && memcmp(pids, self->pids, count * sizeof *pids) == 0)
        return;
    forget(self);
    find_gpus(self);
    memcpy(self->pids, pids, count * sizeof *pids);
    self->pid_count = count;
    for (size_t i = 0; i < count; i++)
        add_process(self, pids[i]);
}

static mlx_value_t *item_of(mlx_value_t *list, const use_t *use)
{
    int64_t pid;
    for (size_t i = 0; i < mlx_value_size(list); i++)
        if (mlx_value_int(mlx_value_at(list, i), "pid", &pid) && pid == use->pid)
            return mlx_value_at(list, i);
    mlx_value_t *item = mlx_value_append(list, mlx_value_map());
    mlx_value_set_int(item, "pid", use->pid);
    mlx_value_set_str(item, "program", use->program[0] ? use->program : NULL);
    return item;
}

static void add_use(const mlx_kfd_t *self, const use_t *use, mlx_value_t *list)
{
    int64_t bytes;
    int64_t occupied = 0;
    int64_t units = self->gpus[use->gpu].units;
    if (!mlx_sysfile_int(use->memory, &bytes) || bytes < 0)
        return; /* it ended */
    bool told = mlx_sysfile_int(use->occupancy, &occupied) && occupied >= 0 && occupied <= units;
    if (bytes == 0 && occupied <= 0)
        return; /* it could use this GPU, and does not */
    mlx_value_t *item = item_of(list, use);
    int64_t known = -1;
    double share = -1;
    (void)mlx_value_int(item, "memory", &known);
    (void)mlx_value_real(item, "utilization", &share);
    if (bytes > known)
        mlx_value_set_int(item, "memory", bytes);
    if (told && units > 0 && (double)occupied / (double)units > share)
        mlx_value_set_real(item, "utilization", (double)occupied / (double)units);
}

void mlx_kfd_add(const mlx_kfd_t *self, const char *slot, mlx_value_t *list)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->gpus[self->uses[i].gpu].slot, slot) == 0)
            add_use(self, &self->uses[i], list);
}
