#include "drm_fdinfo.h"

#include "sysfile.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCAN_US 15000000
#define MAX_FILES 256
#define MAX_ENGINES 12
#define MAX_PROCESSES_SEEN 65536

typedef struct {
    char name[24];
    int64_t busy;  /* nanoseconds, or cycles when TOTAL is set */
    int64_t total; /* cycles gone by; 0: the engine counts nanoseconds */
    int64_t capacity;
    double share; /* of this client in the span before; NAN: not known */
} engine_t;

typedef struct {
    int pid;
    unsigned fd;
    char slot[32];
    int64_t client; /* several descriptors may be one client */
    int64_t local, system;
    bool has_local;
    engine_t engines[MAX_ENGINES];
    size_t engine_count;
    int64_t read_us;
    bool valid;
} file_t;

struct mlx_fdinfo {
    const char *proc_root;
    file_t *files;
    size_t count;
    int64_t scanned_us;
    bool scanned;
};

mlx_fdinfo_t *mlx_fdinfo_new(const char *proc_root)
{
    mlx_fdinfo_t *self = mlx_alloc(1, sizeof *self);
    self->proc_root = proc_root;
    self->files = mlx_alloc(MAX_FILES, sizeof *self->files);
    return self;
}

void mlx_fdinfo_destroy(mlx_fdinfo_t **self)
{
    if (!*self)
        return;
    free((*self)->files);
    free(*self);
    *self = NULL;
}

static engine_t *find_engine(file_t *file, const char *name, size_t len)
{
    for (size_t i = 0; i < file->engine_count; i++)
        if (strlen(file->engines[i].name) == len && !strncmp(file->engines[i].name, name, len))
            return &file->engines[i];
    if (file->engine_count == MAX_ENGINES || len >= sizeof file->engines[0].name)
        return NULL;
    engine_t *engine = &file->engines[file->engine_count++];
    *engine = (engine_t){.busy = -1, .capacity = 1, .share = NAN};
    memcpy(engine->name, name, len);
    return engine;
}

/*  "1234", "1234 KiB" or "1234 MiB". */
static bool parse_bytes(const char *p, int64_t *out)
{
    int64_t value;
    if (!mlx_sysfile_parse_int(&p, &value) || value < 0)
        return false;
    int64_t unit = strncmp(p, " KiB", 4) == 0 ? 1024 : strncmp(p, " MiB", 4) == 0 ? 1048576 : 1;
    return !__builtin_mul_overflow(value, unit, out);
}

/*  Regions are named by the drivers: vram0, local0 on a card; system0, gtt in main memory. The
 *  stolen part of main memory is counted in "system" already. */
static void add_region(file_t *file, const char *region, const char *value)
{
    int64_t bytes;
    if (strncmp(region, "stolen", 6) == 0 || !parse_bytes(value, &bytes))
        return;
    bool local = strncmp(region, "vram", 4) == 0 || strncmp(region, "local", 5) == 0;
    int64_t *sum = local ? &file->local : &file->system;
    file->has_local = file->has_local || local;
    if (__builtin_add_overflow(*sum, bytes, sum))
        *sum = INT64_MAX;
}

static void set_int(int64_t *slot, const char *value)
{
    int64_t number;
    if (slot && mlx_sysfile_parse_int(&value, &number) && number >= 0)
        *slot = number;
}

static bool after(const char *text, const char *prefix, const char **rest)
{
    size_t len = strlen(prefix);
    *rest = text + len;
    return strncmp(text, prefix, len) == 0;
}

/*  One "drm-key: value" line; KEY ends at COLON. Longer prefixes first. */
static void parse_line(file_t *file, const char *key, const char *colon)
{
    const char *value = colon + 1 + strspn(colon + 1, " \t");
    const char *name;
    engine_t *engine;
    if (after(key, "drm-pdev:", &name)) {
        size_t len = strcspn(value, " \t\n");
        if (len < sizeof file->slot)
            memcpy(file->slot, value, len);
    } else if (after(key, "drm-client-id:", &name)) {
        set_int(&file->client, value);
    } else if (after(key, "drm-resident-", &name)) {
        add_region(file, name, value);
    } else if (after(key, "drm-engine-capacity-", &name)) {
        engine = find_engine(file, name, (size_t)(colon - name));
        set_int(engine ? &engine->capacity : NULL, value);
    } else if (after(key, "drm-engine-", &name) || after(key, "drm-cycles-", &name)) {
        engine = find_engine(file, name, (size_t)(colon - name));
        set_int(engine ? &engine->busy : NULL, value);
    } else if (after(key, "drm-total-cycles-", &name)) {
        engine = find_engine(file, name, (size_t)(colon - name));
        set_int(engine ? &engine->total : NULL, value);
    }
}

static bool read_file(const mlx_fdinfo_t *self, file_t *file)
{
    char text[8192];
    MLX_CLEANUP(mlx_close_p)
    int fd = mlx_sysfile_open("%s/%d/fdinfo/%u", self->proc_root, file->pid, file->fd);
    if (mlx_sysfile_read(fd, text, sizeof text) < 0)
        return false;
    file->client = -1;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *colon = line + strcspn(line, ":\n");
        if (*colon == ':' && strncmp(line, "drm-", 4) == 0)
            parse_line(file, line, colon);
    }
    return file->slot[0] && file->client >= 0;
}

/*  The part of the engine's time that the client used since BEFORE. */
static double share(const engine_t *before, const engine_t *now, int64_t span_us)
{
    if (before->busy < 0 || now->busy < before->busy || now->capacity < 1)
        return NAN;
    double span = now->total ? (double)now->total - (double)before->total : (double)span_us * 1e3;
    if (span <= 0)
        return NAN;
    return (double)(now->busy - before->busy) / span / (double)now->capacity;
}

static void update_file(const mlx_fdinfo_t *self, file_t *file, int64_t now_us)
{
    file_t now = {.pid = file->pid, .fd = file->fd, .read_us = now_us};
    now.valid = read_file(self, &now);
    if (file->valid && now.valid && file->client == now.client)
        for (size_t i = 0; i < now.engine_count; i++) {
            engine_t *engine = &now.engines[i];
            const engine_t *before = find_engine(file, engine->name, strlen(engine->name));
            if (before)
                engine->share = share(before, engine, now_us - file->read_us);
        }
    *file = now;
}

static void add_file(mlx_fdinfo_t *self, int pid, unsigned fd)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->files[i].pid == pid && self->files[i].fd == fd)
            return;
    if (self->count < MAX_FILES)
        self->files[self->count++] = (file_t){.pid = pid, .fd = fd};
}

static void scan_process(mlx_fdinfo_t *self, int pid)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%d/fd", self->proc_root, pid);
    DIR *dir = opendir(path);
    if (!dir)
        return;
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        char target[64];
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof target);
        const char *p = entry->d_name;
        int64_t fd;
        if (len > 9 && memcmp(target, "/dev/dri/", 9) == 0 && mlx_sysfile_parse_int(&p, &fd) &&
            fd >= 0 && fd <= INT32_MAX)
            add_file(self, pid, (unsigned)fd);
    }
    closedir(dir);
}

static void scan(mlx_fdinfo_t *self)
{
    unsigned *pids = mlx_alloc(MAX_PROCESSES_SEEN, sizeof *pids);
    size_t count = mlx_sysfile_numbers(pids, MAX_PROCESSES_SEEN, "", "", "%s", self->proc_root);
    for (size_t i = 0; i < count; i++)
        scan_process(self, (int)pids[i]);
    free(pids);
}

void mlx_fdinfo_update(mlx_fdinfo_t *self, int64_t now_us)
{
    if (!self->scanned || now_us - self->scanned_us >= SCAN_US) {
        scan(self);
        self->scanned = true;
        self->scanned_us = now_us;
    }
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        update_file(self, &self->files[i], now_us);
        if (self->files[i].valid)
            self->files[kept++] = self->files[i];
    }
    self->count = kept;
}

/*  FILE counts for SLOT: on that GPU, and the first descriptor of its client. */
static bool counts(const mlx_fdinfo_t *self, const file_t *file, const char *slot)
{
    if (strcmp(file->slot, slot) != 0)
        return false;
    for (const file_t *other = self->files; other < file; other++)
        if (other->client == file->client && strcmp(other->slot, slot) == 0)
            return false;
    return true;
}

size_t mlx_fdinfo_clients(const mlx_fdinfo_t *self, const char *slot)
{
    size_t clients = 0;
    for (size_t i = 0; i < self->count; i++)
        clients += counts(self, &self->files[i], slot);
    return clients;
}

/*  What all clients together used of one engine class; a client seen for the first time adds
 *  nothing yet. */
static double engine_share(const mlx_fdinfo_t *self, const char *slot, const char *name)
{
    double sum = NAN;
    for (size_t i = 0; i < self->count; i++) {
        const file_t *file = &self->files[i];
        if (!counts(self, file, slot))
            continue;
        for (size_t k = 0; k < file->engine_count; k++) {
            double part = file->engines[k].share;
            if (strcmp(file->engines[k].name, name) == 0 && !isnan(part))
                sum = isnan(sum) ? part : sum + part;
        }
    }
    return sum;
}

double mlx_fdinfo_utilization(const mlx_fdinfo_t *self, const char *slot)
{
    double busiest = NAN;
    for (size_t i = 0; i < self->count; i++)
        for (size_t k = 0; k < self->files[i].engine_count; k++)
            busiest = fmax(busiest, engine_share(self, slot, self->files[i].engines[k].name));
    return busiest > 1 ? 1 : busiest; /* not fmin: NAN stays NAN */
}

static bool has_local(const mlx_fdinfo_t *self, const char *slot)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->files[i].has_local && counts(self, &self->files[i], slot))
            return true;
    return false;
}

/*  Of one process, or of all when PID is 0. */
static int64_t sum_memory(const mlx_fdinfo_t *self, const char *slot, int pid)
{
    bool local = has_local(self, slot);
    int64_t sum = 0;
    for (size_t i = 0; i < self->count; i++) {
        const file_t *file = &self->files[i];
        int64_t part = local ? file->local : file->system;
        if (counts(self, file, slot) && (!pid || file->pid == pid) &&
            __builtin_add_overflow(sum, part, &sum))
            sum = INT64_MAX;
    }
    return sum;
}

int64_t mlx_fdinfo_memory(const mlx_fdinfo_t *self, const char *slot)
{
    return sum_memory(self, slot, 0);
}

mlx_value_t *mlx_fdinfo_processes(const mlx_fdinfo_t *self, const char *slot)
{
    mlx_value_t *list = mlx_value_list();
    int last = 0;
    for (size_t i = 0; i < self->count; i++) {
        const file_t *file = &self->files[i];
        /* files of one process follow each other */
        if (file->pid == last || !counts(self, file, slot))
            continue;
        last = file->pid;
        mlx_value_t *item = mlx_value_append(list, mlx_value_map());
        mlx_value_set_int(item, "pid", file->pid);
        mlx_value_set_int(item, "memory", sum_memory(self, slot, file->pid));
    }
    return list;
}
