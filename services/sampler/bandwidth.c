#include "bandwidth.h"

#include "sysfile.h"

#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_SOCKETS 16

/*  How the name of an event source begins, and its events, by name or by their codes. A source
 *  without a "scale" file
 *  counts in LINE bytes. Of two that count the same only the first that is there is used. */
static const struct {
    const char *pmu, *read, *write;
    double line;
} sources[] = {
    {"uncore_imc_free_running", "data_read", "data_write", 0}, /* Intel client, since Tiger Lake */
    {"uncore_imc", "data_reads", "data_writes", 0},            /* before it */
    {"uncore_imc_", "cas_count_read", "cas_count_write", 0},   /* Intel servers, a channel each */
    {"amd_umc_", "event=0x0a,rdwrmask=0x1", "event=0x0a,rdwrmask=0x2", 64}, /* Zen 4 and later */
    {"hisi_sccl", "flux_rd", "flux_wr", 32},                                /* HiSilicon DDRC */
};

static int perf_open(uint32_t type, uint64_t config, int cpu)
{
    struct perf_event_attr attr = {.type = type, .size = sizeof attr, .config = config};
    return (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

/*  "event=0x04,umask=0x03" with the places that the format files give ("config:0-7"). */
static bool parse_event(const char *dir, const char *text, uint64_t *config)
{
    *config = 0;
    while (*text) {
        char term[32];
        char place[64];
        size_t len = strcspn(text, "=,");
        if (len == 0 || len >= sizeof term)
            return false;
        memcpy(term, text, len);
        term[len] = '\0';
        uint64_t value = 1;
        text += len;
        if (*text == '=') {
            char *end;
            value = strtoull(text + 1, &end, 0);
            if (end == text + 1)
                return false;
            text = end;
        }
        if (!mlx_sysfile_line(place, sizeof place, "%s/format/%s", dir, term) ||
            strncmp(place, "config:", 7) != 0)
            return false;
        long shift = strtol(place + 7, NULL, 10);
        if (shift < 0 || shift > 63)
            return false;
        *config |= value << shift;
        text += *text == ',';
    }
    return true;
}

/*  What one count of EVENT is worth: "scale" times "unit". Only bytes will do. */
static double bytes_of(const char *dir, const char *event, double line)
{
    char text[64];
    char unit[16] = "";
    if (!mlx_sysfile_line(text, sizeof text, "%s/events/%s.scale", dir, event))
        return line;
    double scale = strtod(text, NULL);
    (void)mlx_sysfile_line(unit, sizeof unit, "%s/events/%s.unit", dir, event);
    bool known = strcmp(unit, "MiB") == 0 || strcmp(unit, "Bytes") == 0;
    scale *= strcmp(unit, "MiB") == 0 ? 1048576 : 1;
    return known && scale > 0 && scale < 1e9 ? scale : 0;
}

/*  Open EVENT of the source in DIR on CPU. 0; -1: it has no such event; or an errno. */
static int add_counter(mlx_bandwidth_pmu_t *pmu, const char *dir, const char *event, double line,
                       int cpu, mlx_perf_open_fn open)
{
    char text[128];
    uint64_t config;
    MLX_CLEANUP(mlx_close_p) int file = mlx_sysfile_open("%s/type", dir);
    int64_t type;
    double bytes = bytes_of(dir, event, line);
    if (!mlx_sysfile_int(file, &type) || type < 0 || type > UINT32_MAX || bytes <= 0)
        return -1;
    bool literal = strncmp(event, "event=", 6) == 0;
    if ((!literal && !mlx_sysfile_line(text, sizeof text, "%s/events/%s", dir, event)) ||
        !parse_event(dir, literal ? event : text, &config))
        return -1;
    int fd = open((uint32_t)type, config, cpu);
    if (fd < 0)
        return errno ? errno : EIO;
    pmu->counters[pmu->count].fd = fd;
    pmu->counters[pmu->count].bytes = bytes;
    pmu->counters[pmu->count].writes = pmu->count == 1;
    pmu->count++;
    return 0;
}

/*  The processors of "cpumask", one a socket. */
static size_t read_cpus(const char *dir, int *cpus)
{
    char text[256];
    size_t count = 0;
    if (!mlx_sysfile_line(text, sizeof text, "%s/cpumask", dir))
        return 0;
    for (const char *p = text; count < MAX_SOCKETS;) {
        int64_t cpu;
        if (!mlx_sysfile_parse_int(&p, &cpu) || cpu < 0 || cpu > INT32_MAX)
            break;
        cpus[count++] = (int)cpu;
        if (*p++ != ',')
            break;
    }
    return count;
}

static int add_pmu(mlx_bandwidth_pmu_t *pmu, const char *dir, size_t source, int cpu,
                   mlx_perf_open_fn open)
{
    *pmu = (mlx_bandwidth_pmu_t){.count = 0};
    int rc = add_counter(pmu, dir, sources[source].read, sources[source].line, cpu, open);
    if (rc == 0)
        rc = add_counter(pmu, dir, sources[source].write, sources[source].line, cpu, open);
    if (rc)
        mlx_bandwidth_close(pmu);
    return rc;
}

int mlx_bandwidth_find(mlx_bandwidth_pmu_t *out, size_t max, size_t *count, const char *sys_root,
                       mlx_perf_open_fn open)
{
    MLX_CLEANUP(mlx_free_p) char *root = mlx_format("%s/bus/event_source/devices", sys_root);
    int code = 0;
    *count = 0;
    for (size_t s = 0; s < MLX_COUNT(sources) && *count == 0 && code == 0; s++) {
        DIR *dir = opendir(root);
        const struct dirent *entry;
        while (dir && code == 0 && (entry = readdir(dir))) {
            int cpus[MAX_SOCKETS];
            if (strncmp(entry->d_name, sources[s].pmu, strlen(sources[s].pmu)) != 0)
                continue;
            MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", root, entry->d_name);
            size_t sockets = read_cpus(path, cpus);
            for (size_t i = 0; i < sockets && *count < max && code == 0; i++) {
                int rc = add_pmu(&out[*count], path, s, cpus[i], open ? open : perf_open);
                *count += rc == 0;
                code = rc > 0 ? rc : 0;
            }
        }
        if (dir)
            closedir(dir);
    }
    return code;
}

bool mlx_bandwidth_count(mlx_bandwidth_pmu_t *self, double *read_bytes, double *written)
{
    for (size_t i = 0; i < self->count; i++) {
        uint64_t value;
        if (read(self->counters[i].fd, &value, sizeof value) != sizeof value)
            return false;
        /* perf extends counters of fewer bits. One that goes back began again. */
        if (value >= self->counters[i].last)
            self->counters[i].sum +=
                (double)(value - self->counters[i].last) * self->counters[i].bytes;
        self->counters[i].last = value;
        *(self->counters[i].writes ? written : read_bytes) += self->counters[i].sum;
    }
    return true;
}

void mlx_bandwidth_close(mlx_bandwidth_pmu_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        mlx_close_p(&self->counters[i].fd);
    self->count = 0;
}
