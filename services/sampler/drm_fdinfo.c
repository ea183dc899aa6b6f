#include "drm_fdinfo.h"

#include "open_nodes.h"
#include "program.h"
#include "sysfile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCAN_US 15000000
#define MAX_FILES 16384
#define MAX_ENGINES 12
#define MAX_REGIONS 16
#define MAX_CLASSES 32
#define MAX_KEPT 128 /* accounts kept open */

typedef struct {
    char name[24];
    int64_t busy;  /* nanoseconds, or cycles when TOTAL is set */
    int64_t total; /* cycles gone by; 0: the engine counts nanoseconds */
    int64_t capacity;
    double share; /* of this client in the span before; NAN: not known */
} engine_t;

/*  A region of memory, in the three ways of counting that drivers have; -1: not told. */
typedef enum {
    RESIDENT, /* there now */
    MEMORY,   /* the older name of the same */
    TOTAL,    /* asked for */
    WAYS
} way_t;

typedef struct {
    char name[16];
    int64_t bytes[WAYS];
} region_t;

typedef struct {
    int pid;
    unsigned fd;
    int account;      /* its account, kept open; -1: not */
    char program[24]; /* what the process was called when it was found; "": not known */
    char node[32];    /* the GPU that its device node belongs to; "": not known */
    char slot[32];    /* the GPU that the account names */
    int64_t client;   /* several descriptors may be one client */
    bool first;       /* the first descriptor of its client */
    int64_t local, system;
    bool has_local;
    engine_t engines[MAX_ENGINES];
    size_t engine_count;
    int64_t read_us;
    bool valid;
} file_t;

struct mlx_fdinfo {
    const char *proc_root, *sys_root;
    const char *kind;
    file_t *files; /* in order of pid and descriptor */
    size_t count;
    size_t kept; /* accounts that are open */
    mlx_open_nodes_t *nodes;
    bool cut; /* there are more */
    int64_t scanned_us;
    bool scanned;
};

mlx_fdinfo_t *mlx_fdinfo_new(const char *proc_root, const char *sys_root, const char *kind)
{
    mlx_fdinfo_t *self = mlx_alloc(1, sizeof *self);
    self->proc_root = proc_root;
    self->sys_root = sys_root;
    self->kind = kind;
    self->nodes = mlx_open_nodes_new(proc_root, kind);
    return self;
}

void mlx_fdinfo_destroy(mlx_fdinfo_t **self)
{
    if (!*self)
        return;
    for (size_t i = 0; i < (*self)->count; i++)
        mlx_close_p(&(*self)->files[i].account);
    free((*self)->files);
    mlx_open_nodes_destroy(&(*self)->nodes);
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

static void add_region(region_t *regions, const char *name, size_t len, way_t way,
                       const char *value)
{
    size_t at = 0;
    while (at < MAX_REGIONS && regions[at].name[0] &&
           !(strlen(regions[at].name) == len && !strncmp(regions[at].name, name, len)))
        at++;
    if (at == MAX_REGIONS || len == 0 || len >= sizeof regions->name)
        return;
    if (!regions[at].name[0]) {
        regions[at] = (region_t){.bytes = {-1, -1, -1}};
        memcpy(regions[at].name, name, len);
    }
    int64_t bytes;
    if (parse_bytes(value, &bytes))
        regions[at].bytes[way] = bytes;
}

/*  Regions are named by the drivers: vram0, local0 on a card; system0, gtt, cpu in main memory. The
 *  stolen part of main memory is counted in "system" already. */
static void sum_regions(file_t *file, const region_t *regions)
{
    for (size_t i = 0; i < MAX_REGIONS && regions[i].name[0]; i++) {
        const region_t *region = &regions[i];
        size_t way = 0;
        while (way < WAYS && region->bytes[way] < 0)
            way++;
        if (way == WAYS || strncmp(region->name, "stolen", 6) == 0)
            continue;
        bool local =
            strncmp(region->name, "vram", 4) == 0 || strncmp(region->name, "local", 5) == 0;
        int64_t *sum = local ? &file->local : &file->system;
        file->has_local = file->has_local || local;
        if (__builtin_add_overflow(*sum, region->bytes[way], sum))
            *sum = INT64_MAX;
    }
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
static void parse_line(file_t *file, region_t *regions, const char *key, const char *colon)
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
        add_region(regions, name, (size_t)(colon - name), RESIDENT, value);
    } else if (after(key, "drm-memory-", &name)) {
        add_region(regions, name, (size_t)(colon - name), MEMORY, value);
    } else if (after(key, "drm-engine-capacity-", &name)) {
        engine = find_engine(file, name, (size_t)(colon - name));
        set_int(engine ? &engine->capacity : NULL, value);
    } else if (after(key, "drm-engine-", &name) || after(key, "drm-cycles-", &name)) {
        engine = find_engine(file, name, (size_t)(colon - name));
        set_int(engine ? &engine->busy : NULL, value);
    } else if (after(key, "drm-total-cycles-", &name)) {
        engine = find_engine(file, name, (size_t)(colon - name));
        set_int(engine ? &engine->total : NULL, value);
    } else if (after(key, "drm-total-", &name)) {
        add_region(regions, name, (size_t)(colon - name), TOTAL, value);
    }
}

static void drop_account(mlx_fdinfo_t *self, file_t *file)
{
    if (file->account < 0)
        return;
    mlx_close_p(&file->account);
    self->kept--;
}

/*  The account's text. It is kept open, as finding it by its path costs more than reading it; that
 *  holds neither the process nor its GPU: of a process that ended it reads nothing. */
static bool read_account(mlx_fdinfo_t *self, file_t *file, char *text, size_t size)
{
    struct stat entry;
    if (file->account >= 0) {
        if (fstat(file->account, &entry) == 0 && entry.st_nlink > 0 &&
            mlx_sysfile_read(file->account, text, size) >= 0)
            return true;
        drop_account(self, file);
    }
    int fd = mlx_sysfile_open("%s/%d/fdinfo/%u", self->proc_root, file->pid, file->fd);
    bool read = mlx_sysfile_read(fd, text, size) >= 0;
    if (read && self->kept < MAX_KEPT) {
        file->account = fd;
        self->kept++;
    } else {
        mlx_close_p(&fd);
    }
    return read;
}

static bool read_file(mlx_fdinfo_t *self, file_t *file)
{
    char text[8192];
    region_t regions[MAX_REGIONS] = {0};
    if (!read_account(self, file, text, sizeof text))
        return false;
    file->client = -1;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *colon = line + strcspn(line, ":\n");
        if (*colon == ':' && strncmp(line, "drm-", 4) == 0)
            parse_line(file, regions, line, colon);
    }
    sum_regions(file, regions);
    if (!file->slot[0]) /* a driver that does not name the device: its node does */
        memcpy(file->slot, file->node, sizeof file->slot);
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

static void update_file(mlx_fdinfo_t *self, file_t *file, int64_t now_us)
{
    file_t now = {.pid = file->pid, .fd = file->fd, .account = file->account, .read_us = now_us};
    memcpy(now.node, file->node, sizeof now.node);
    memcpy(now.program, file->program, sizeof now.program);
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

/*  The PCI slot behind device node NAME ("renderD128"); "" when that cannot be told. */
static void slot_of_node(const mlx_fdinfo_t *self, const char *name, char *slot, size_t size)
{
    char target[256];
    MLX_CLEANUP(mlx_free_p)
    char *path = mlx_format("%s/class/%s/%s/device", self->sys_root,
                            strcmp(self->kind, "dri") == 0 ? "drm" : self->kind, name);
    ssize_t len = readlink(path, target, sizeof target - 1);
    slot[0] = '\0';
    if (len <= 0)
        return;
    target[len] = '\0';
    const char *slash = strrchr(target, '/');
    const char *base = slash ? slash + 1 : target;
    if (strlen(base) < size)
        memcpy(slot, base, strlen(base) + 1);
}

static int by_pid(const void *a, const void *b)
{
    const file_t *x = a;
    const file_t *y = b;
    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    return (x->fd > y->fd) - (x->fd < y->fd);
}

/*  KNOWN: how many of the files, sorted, were there before this scan. */
static void add_file(mlx_fdinfo_t *self, size_t known, int pid, unsigned fd, const char *node)
{
    file_t file = {.pid = pid, .fd = fd, .account = -1};
    if (known && bsearch(&file, self->files, known, sizeof file, by_pid))
        return;
    if (self->count == MAX_FILES) {
        self->cut = true;
        return;
    }
    self->files = mlx_grow(self->files, self->count, sizeof *self->files);
    slot_of_node(self, node, file.node, sizeof file.node);
    mlx_program_name(file.program, sizeof file.program, self->proc_root, pid);
    self->files[self->count++] = file;
}

typedef struct {
    mlx_fdinfo_t *usage;
    size_t known; /* how many of its files, sorted, were there before this scan */
} scan_t;

static void found(void *arg, int pid, unsigned fd, const char *node)
{
    const scan_t *scan = arg;
    add_file(scan->usage, scan->known, pid, fd, node);
}

static void scan(mlx_fdinfo_t *self, int64_t now_us)
{
    scan_t arg = {self, self->count};
    if (self->cut) /* what was left out is in processes that show no change */
        mlx_open_nodes_forget(self->nodes, MLX_OPEN_NODES_ALL);
    self->cut = false;
    mlx_open_nodes_find(self->nodes, now_us, found, &arg);
    if (self->count)
        qsort(self->files, self->count, sizeof *self->files, by_pid);
}

/*  FILE has no account now: its process is looked over at the next scan. */
static void lose_file(mlx_fdinfo_t *self, file_t *file)
{
    mlx_open_nodes_forget(self->nodes, file->pid);
    drop_account(self, file);
}

static int by_client(const void *a, const void *b)
{
    const file_t *x = *(file_t *const *)a;
    const file_t *y = *(file_t *const *)b;
    int order = strcmp(x->slot, y->slot);
    if (order)
        return order;
    if (x->client != y->client)
        return x->client < y->client ? -1 : 1;
    return x < y ? -1 : 1;
}

/*  Of several descriptors of one client only the first counts. */
static void mark_first(mlx_fdinfo_t *self)
{
    if (!self->count)
        return;
    MLX_CLEANUP(mlx_free_p) file_t **order = mlx_alloc(self->count, sizeof(file_t *));
    for (size_t i = 0; i < self->count; i++)
        order[i] = &self->files[i];
    qsort(order, self->count, sizeof *order, by_client);
    for (size_t i = 0; i < self->count; i++)
        order[i]->first = i == 0 || order[i]->client != order[i - 1]->client ||
                          strcmp(order[i]->slot, order[i - 1]->slot) != 0;
}

/*  Its GPU rests: what it did meanwhile is not known. */
static void leave_alone(file_t *file)
{
    for (size_t i = 0; i < file->engine_count; i++)
        file->engines[i].share = NAN;
}

void mlx_fdinfo_update(mlx_fdinfo_t *self, int64_t now_us, mlx_fdinfo_may_read_fn may_read,
                       void *arg)
{
    if (!self->scanned || now_us - self->scanned_us >= SCAN_US) {
        scan(self, now_us);
        self->scanned = true;
        self->scanned_us = now_us;
    }
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        file_t *file = &self->files[i];
        bool ask = may_read(arg, file->valid ? file->slot : file->node);
        if (ask)
            update_file(self, file, now_us);
        else
            leave_alone(file);
        if (!ask || file->valid)
            self->files[kept++] = *file;
        else
            lose_file(self, file);
    }
    self->count = kept;
    mark_first(self);
}

bool mlx_fdinfo_complete(const mlx_fdinfo_t *self)
{
    return !self->cut;
}

/*  FILE counts for SLOT: on that GPU, and the first descriptor of its client. */
static bool counts(const file_t *file, const char *slot)
{
    return file->valid && file->first && strcmp(file->slot, slot) == 0;
}

size_t mlx_fdinfo_clients(const mlx_fdinfo_t *self, const char *slot)
{
    size_t clients = 0;
    for (size_t i = 0; i < self->count; i++)
        clients += counts(&self->files[i], slot);
    return clients;
}

typedef struct {
    const char *name;
    double share;
} class_t;

static bool is_media(const char *engine)
{
    static const char *const prefixes[] = {"video", "vcs", "vecs", "dec", "enc", "jpeg", "vcn"};
    for (size_t i = 0; i < MLX_COUNT(prefixes); i++)
        if (strncmp(engine, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

/*  What the files FROM to END used of each engine class together; a client seen for the first time
 *  adds nothing yet. Returns the busiest, NAN when nothing is known; not above 1. */
static double busiest(const mlx_fdinfo_t *self, size_t from, size_t end, const char *slot,
                      bool media_only)
{
    class_t classes[MAX_CLASSES];
    size_t count = 0;
    double most = NAN;
    for (size_t i = from; i < end; i++) {
        const file_t *file = &self->files[i];
        for (size_t k = 0; counts(file, slot) && k < file->engine_count; k++) {
            const engine_t *engine = &file->engines[k];
            if (isnan(engine->share) || (media_only && !is_media(engine->name)))
                continue;
            size_t at = 0;
            while (at < count && strcmp(classes[at].name, engine->name) != 0)
                at++;
            if (at == MAX_CLASSES)
                continue;
            if (at == count)
                classes[count++] = (class_t){.name = engine->name};
            classes[at].share += engine->share;
        }
    }
    for (size_t i = 0; i < count; i++)
        most = fmax(most, classes[i].share);
    return most > 1 ? 1 : most; /* not fmin: NAN stays NAN */
}

double mlx_fdinfo_utilization(const mlx_fdinfo_t *self, const char *slot)
{
    return busiest(self, 0, self->count, slot, false);
}

double mlx_fdinfo_media(const mlx_fdinfo_t *self, const char *slot)
{
    return busiest(self, 0, self->count, slot, true);
}

static bool has_local(const mlx_fdinfo_t *self, const char *slot)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->files[i].has_local && counts(&self->files[i], slot))
            return true;
    return false;
}

/*  Of the files FROM to END: the GPU's own memory (LOCAL), main memory (SYSTEM). */
static int64_t sum_memory(const mlx_fdinfo_t *self, size_t from, size_t end, const char *slot,
                          bool local, bool system)
{
    int64_t sum = 0;
    for (size_t i = from; i < end; i++) {
        const file_t *file = &self->files[i];
        if (!counts(file, slot))
            continue;
        if ((local && __builtin_add_overflow(sum, file->local, &sum)) ||
            (system && __builtin_add_overflow(sum, file->system, &sum)))
            return INT64_MAX;
    }
    return sum;
}

int64_t mlx_fdinfo_memory(const mlx_fdinfo_t *self, const char *slot, bool unified)
{
    bool local = has_local(self, slot);
    return sum_memory(self, 0, self->count, slot, local || unified, !local || unified);
}

mlx_value_t *mlx_fdinfo_processes(const mlx_fdinfo_t *self, const char *slot, bool unified)
{
    mlx_value_t *list = mlx_value_list();
    bool local = has_local(self, slot);
    size_t end;
    for (size_t from = 0; from < self->count; from = end) {
        bool any = false;
        for (end = from; end < self->count && self->files[end].pid == self->files[from].pid; end++)
            any = any || counts(&self->files[end], slot);
        if (!any)
            continue;
        mlx_value_t *item = mlx_value_append(list, mlx_value_map());
        mlx_value_set_int(item, "pid", self->files[from].pid);
        mlx_value_set_str(item, "program",
                          self->files[from].program[0] ? self->files[from].program : NULL);
        mlx_value_set_int(item, "memory",
                          sum_memory(self, from, end, slot, local || unified, !local || unified));
        mlx_value_set_real(item, "utilization", busiest(self, from, end, slot, false));
    }
    return list;
}
