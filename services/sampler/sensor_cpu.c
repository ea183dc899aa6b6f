/*  Linux processors: /proc/stat, /proc/loadavg, /proc/cpuinfo (proc(5)), PSI, and cpufreq
 *  (Documentation/admin-guide/pm/cpufreq.rst). */
#include "cpu_kinds.h"
#include "psi.h"
#include "sensor.h"
#include "sysfile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOPIC "sensor.cpu"
#define STAT_BYTES ((size_t)128 * 1024)
#define MAX_CORES 4096
#define MAX_KHZ 20e6

/*  The columns of a "cpu" line; guest time is part of user time already. */
enum {
    USER,
    NICE,
    SYSTEM,
    IDLE,
    IOWAIT,
    IRQ,
    SOFTIRQ,
    STEAL,
    COLUMNS
};

typedef struct {
    int64_t ticks[COLUMNS];
    bool known; /* false until the first line was read */
} times_t;

typedef struct {
    unsigned id;
    unsigned seen; /* the round that saw it last: processors come and go */
    int frequency; /* descriptor */
    times_t times;
} core_t;

typedef struct {
    const mlx_sensor_env_t *env;
    char *text; /* STAT_BYTES */
    char name[128];
    int stat;
    int loadavg;
    int pressure;
    unsigned round;
    times_t total;
    core_t *cores; /* ascending by id, as the kernel lists them */
    size_t core_count;
    mlx_cpu_kinds_t kinds;
} cpu_t;

static void close_core(core_t *core)
{
    mlx_close_p(&core->frequency);
}

static void cpu_close(void **state)
{
    cpu_t *self = *state;
    mlx_close_p(&self->stat);
    mlx_close_p(&self->loadavg);
    mlx_close_p(&self->pressure);
    for (size_t i = 0; i < self->core_count; i++)
        close_core(&self->cores[i]);
    mlx_cpu_kinds_close(&self->kinds);
    free(self->cores);
    free(self->text);
    mlx_free_p(state);
}

/*  "model name : AMD Ryzen 9"; POWER says "cpu", s390 and MIPS other things. ARM names no
 *  processor: there the device tree's name of the machine ("Apple MacBook Pro (14-inch, M1 Pro,
 *  2021)") says what a person wants to know. */
static void read_name(cpu_t *self)
{
    static const char *const keys[] = {"model name", "cpu model", "cpu"};
    MLX_CLEANUP(mlx_close_p) int fd = mlx_sysfile_open("%s/cpuinfo", self->env->proc_root);
    if (mlx_sysfile_read(fd, self->text, 8192) > 0) {
        for (size_t i = 0; i < MLX_COUNT(keys); i++) {
            const char *p = mlx_sysfile_find(self->text, keys[i], ':');
            size_t len = p ? strcspn(p, "\n") : 0;
            if (len > 0 && len < sizeof self->name) {
                memcpy(self->name, p, len);
                return;
            }
        }
    }
    mlx_sysfile_line(self->name, sizeof self->name, "%s/firmware/devicetree/base/model",
                     self->env->sys_root);
}

static int cpu_probe(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    int stat = mlx_sysfile_open("%s/stat", env->proc_root);
    if (stat < 0)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s/stat cannot be read", env->proc_root);
    cpu_t *self = mlx_alloc(1, sizeof *self);
    self->env = env;
    self->text = mlx_alloc(STAT_BYTES, 1);
    self->stat = stat;
    self->loadavg = mlx_sysfile_open("%s/loadavg", env->proc_root);
    self->pressure = mlx_psi_open(env->proc_root, "cpu");
    mlx_cpu_kinds_open(&self->kinds, env->sys_root);
    read_name(self);
    *state = self;
    return 0;
}

static bool parse_times(const char *p, times_t *times)
{
    for (size_t i = 0; i < COLUMNS; i++)
        if (!mlx_sysfile_parse_int(&p, &times->ticks[i]) || times->ticks[i] < 0)
            return false;
    times->known = true;
    return true;
}

typedef struct {
    double utilization, user, system, iowait;
} shares_t;

/*  Shares of the time from BEFORE to NOW; NAN when there is no such span. A column may go back by a
 *  little (iowait does, the kernel says so): that counts as no time. */
static shares_t shares(const times_t *before, const times_t *now)
{
    const shares_t unknown = {NAN, NAN, NAN, NAN};
    if (!before->known || !now->known)
        return unknown;
    double d[COLUMNS];
    double sum = 0;
    for (size_t i = 0; i < COLUMNS; i++) {
        d[i] = fmax(0, (double)now->ticks[i] - (double)before->ticks[i]);
        sum += d[i];
    }
    if (sum <= 0)
        return unknown;
    return (shares_t){
        .utilization = (sum - d[IDLE] - d[IOWAIT]) / sum,
        .user = (d[USER] + d[NICE]) / sum,
        .system = (d[SYSTEM] + d[IRQ] + d[SOFTIRQ]) / sum,
        .iowait = d[IOWAIT] / sum,
    };
}

static core_t *find_core(cpu_t *self, unsigned id)
{
    size_t at = 0;
    while (at < self->core_count && self->cores[at].id < id)
        at++;
    if (at < self->core_count && self->cores[at].id == id)
        return &self->cores[at];
    if (self->core_count == MAX_CORES)
        return NULL;
    self->cores = mlx_grow(self->cores, self->core_count, sizeof *self->cores);
    memmove(&self->cores[at + 1], &self->cores[at], (self->core_count - at) * sizeof *self->cores);
    self->core_count++;
    if (self->round > 1 && !mlx_cpu_kinds_name(&self->kinds, id))
        mlx_cpu_kinds_refresh(&self->kinds, self->env->sys_root);
    self->cores[at] = (core_t){.id = id};
    self->cores[at].frequency = mlx_sysfile_open(
        "%s/devices/system/cpu/cpu%u/cpufreq/scaling_cur_freq", self->env->sys_root, id);
    return &self->cores[at];
}

static void forget_unseen(cpu_t *self)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->core_count; i++) {
        if (self->cores[i].seen == self->round)
            self->cores[kept++] = self->cores[i];
        else
            close_core(&self->cores[i]);
    }
    self->core_count = kept;
}

typedef struct {
    size_t cores, busy_known, clock_known;
    double busy, hertz;
} sums_t;

static void add_sums(sums_t *sums, double busy, double hertz)
{
    sums->cores++;
    sums->busy += isnan(busy) ? 0 : busy;
    sums->busy_known += isnan(busy) ? 0 : 1;
    sums->hertz += isnan(hertz) ? 0 : hertz;
    sums->clock_known += isnan(hertz) ? 0 : 1;
}

static double mean(double sum, size_t count)
{
    return count ? sum / (double)count : (double)NAN;
}

/*  One "cpuN ..." line, P behind "cpu". Returns the core's frequency in Hz or NAN. */
static double add_core(cpu_t *self, const char *p, sums_t *sums, mlx_readings_t *out)
{
    int64_t id;
    times_t now = {0};
    if (!mlx_sysfile_parse_int(&p, &id) || id < 0 || id > INT32_MAX || !parse_times(p, &now))
        return NAN;
    core_t *core = find_core(self, (unsigned)id);
    if (!core)
        return NAN;
    double hertz = mlx_sysfile_gauge(core->frequency, 1e3, 1e3, MAX_KHZ * 1e3);
    mlx_value_t *item = mlx_value_map();
    mlx_value_set_int(item, "id", id);
    double busy = shares(&core->times, &now).utilization;
    const char *kind = mlx_cpu_kinds_name(&self->kinds, (size_t)id);
    if (kind)
        add_sums(&sums[self->kinds.kind[id]], busy, hertz);
    mlx_value_set_str(item, "cluster", kind);
    mlx_value_set_real(item, "utilization", busy);
    mlx_value_set_real(item, "frequency", hertz);
    mlx_readings_item(out, TOPIC, "core", item);
    core->times = now;
    core->seen = self->round;
    return hertz;
}

/*  The kinds of cores of a hybrid processor, as macOS's clusters. */
static void add_kinds(const cpu_t *self, const sums_t *sums, mlx_readings_t *out)
{
    for (size_t i = 0; self->kinds.count > 1 && i < self->kinds.count; i++) {
        mlx_value_t *item = mlx_value_map();
        mlx_value_set_str(item, "name", self->kinds.names[i]);
        mlx_value_set_int(item, "cores", (int64_t)sums[i].cores);
        mlx_value_set_real(item, "utilization", mean(sums[i].busy, sums[i].busy_known));
        mlx_value_set_real(item, "frequency", mean(sums[i].hertz, sums[i].clock_known));
        mlx_readings_item(out, TOPIC, "cluster", item);
    }
}

static void add_throttle(cpu_t *self, mlx_readings_t *out)
{
    int throttled = mlx_cpu_kinds_throttled(&self->kinds);
    if (throttled < 0)
        return;
    mlx_value_t *list = mlx_value_set(mlx_readings_topic(out, TOPIC), "throttle", mlx_value_list());
    if (throttled)
        mlx_value_append(list, mlx_value_new_str("temperature"));
}

static void add_cores(cpu_t *self, const char *text, mlx_readings_t *out)
{
    sums_t sums[MLX_CPU_KINDS_MAX] = {0};
    mlx_value_t *data = mlx_readings_topic(out, TOPIC);
    double sum = 0;
    size_t known = 0;
    self->round++;
    for (const char *line = strchr(text, '\n'); line; line = strchr(line + 1, '\n')) {
        if (strncmp(line, "\ncpu", 4) != 0)
            break;
        double hertz = add_core(self, line + 4, sums, out);
        if (!isnan(hertz)) {
            sum += hertz;
            known++;
        }
    }
    forget_unseen(self);
    add_kinds(self, sums, out);
    if (self->core_count)
        mlx_value_set_int(data, "cores", (int64_t)self->core_count);
    if (known)
        mlx_value_set_real(data, "frequency", sum / (double)known);
    else
        mlx_readings_missing(out, TOPIC, "frequency",
                             "no cpufreq driver (a virtual machine has none)");
}

static void add_load(const cpu_t *self, mlx_value_t *data)
{
    char text[128];
    double load[3];
    if (mlx_sysfile_read(self->loadavg, text, sizeof text) < 0)
        return;
    const char *p = text;
    for (size_t i = 0; i < MLX_COUNT(load); i++)
        if (!mlx_sysfile_parse_real(&p, &load[i]) || load[i] < 0)
            return;
    mlx_value_set_real(data, "load1", load[0]);
    mlx_value_set_real(data, "load5", load[1]);
    mlx_value_set_real(data, "load15", load[2]);
}

static int cpu_sample(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    (void)now_us; /* the kernel's own ticks are the clock */
    cpu_t *self = state;
    times_t now = {0};
    if (mlx_sysfile_read(self->stat, self->text, STAT_BYTES) < 0 ||
        strncmp(self->text, "cpu ", 4) != 0 || !parse_times(self->text + 4, &now))
        return mlx_error_set(err, MLX_ERR_FAILED, "%s/stat has no usable cpu line",
                             self->env->proc_root);
    mlx_value_t *data = mlx_readings_topic(out, TOPIC);
    if (self->name[0])
        mlx_value_set_str(data, "name", self->name);
    else
        mlx_readings_missing(out, TOPIC, "name", "the kernel does not report a processor name");
    shares_t total = shares(&self->total, &now);
    self->total = now;
    mlx_value_set_real(data, "utilization", total.utilization);
    mlx_value_set_real(data, "user", total.user);
    mlx_value_set_real(data, "system", total.system);
    mlx_value_set_real(data, "iowait", total.iowait);
    add_cores(self, self->text, out);
    add_load(self, data);
    add_throttle(self, out);
    mlx_psi_add(self->pressure, "some", out, TOPIC, "pressure");
    return 0;
}

const mlx_sensor_backend_t mlx_sensor_cpu = {
    .name = "cpu",
    .min_period_s = 0.1,
    .probe = cpu_probe,
    .sample = cpu_sample,
    .close = cpu_close,
    .topic = TOPIC,
    .fields = "utilization",
};
