#include "nvml_read.h"

#include "meminfo.h"
#include "program.h"
#include "sysfile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIRST_PROCESSES 64
#define MAX_PROCESSES 8192
#define MAX_INSTANCES 16

/*  Measured on an H200 (driver 580), CPU time of one question: the energy 3.4 ms, the PCIe counters
 *  0.35 ms (1.3 ms under load), the shares of processes 2.9 to 4.2 ms, the MIG mode 0.18 ms, all
 *  others together 0.4 ms. */
#define ENERGY_US 15000000
#define PCIE_US 8000000
#define USE_US 5000000
#define NARROW_US 20000
#define DIVIDED_US 10000000

typedef struct {
    const mlx_nvml_t *api;
    mlx_nvml_gpu_t *gpu;
    mlx_readings_t *out;
    const char *topic;
    int64_t now_us;
    nvml_device_t handle;
    const char *proc_root;
    mlx_value_t *data;
    nvml_return_t fatal; /* what a call said, if that ends the session */
} look_t;

/*  Bits of the clocks event reasons. Being idle (bit 0) holds clocks down too and is not a
 *  throttle.
 */
static const struct {
    unsigned long long bit;
    const char *name;
} reasons[] = {
    {0x002, "application clocks"}, {0x004, "power limit"},    {0x008, "hardware slowdown"},
    {0x010, "sync boost"},         {0x020, "temperature"},    {0x040, "temperature (hardware)"},
    {0x080, "power brake"},        {0x100, "display clocks"},
};

static bool is_fatal(nvml_return_t code)
{
    return code == NVML_UNINITIALIZED || code == NVML_GPU_IS_LOST || code == NVML_RESET_REQUIRED ||
           code == NVML_DRIVER_NOT_LOADED;
}

/*  True when CODE brought a value; remembers what ends the session. */
static bool ok(look_t *look, nvml_return_t code)
{
    if (is_fatal(code))
        look->fatal = code;
    return code == NVML_SUCCESS;
}

/*  One figure that NVML gives as an unsigned int, times SCALE. */
static void add_scaled(look_t *look, const char *field,
                       nvml_return_t (*get)(nvml_device_t, unsigned *), double scale)
{
    unsigned value;
    if (get && ok(look, get(look->handle, &value)))
        mlx_value_set_real(look->data, field, value * scale);
}

/*  All ones, and what no machine has, mean "not available". */
static void add_bytes(mlx_value_t *data, const char *field, unsigned long long bytes)
{
    if (bytes <= INT64_MAX)
        mlx_value_set_int(data, field, (int64_t)bytes);
}

/*  Version 2 tells what is used apart from what the driver reserves, as nvidia-smi shows it. What
 *  the library says of HANDLE's memory; a total of 0 is how some of them say that it has none. */
static nvml_return_t read_memory(look_t *look, nvml_device_t handle, mlx_value_t *data)
{
    nvml_memory_v2_t v2 = {.version = NVML_MEMORY_V2};
    nvml_memory_t v1 = {0};
    nvml_return_t code = NVML_NOT_SUPPORTED;
    if (look->api->memory_v2)
        code = look->api->memory_v2(handle, &v2);
    if (code != NVML_SUCCESS && look->api->memory) {
        code = look->api->memory(handle, &v1);
        v2.total = v1.total;
        v2.used = v1.used;
    }
    if (!ok(look, code))
        return code;
    if (v2.total == 0)
        return NVML_NOT_SUPPORTED;
    add_bytes(data, "memory_used", v2.used);
    add_bytes(data, "memory_total", v2.total);
    return code;
}

static void add_memory(look_t *look, int meminfo)
{
    char text[8192];
    int64_t total;
    int64_t available;
    if (read_memory(look, look->handle, look->data) != NVML_NOT_SUPPORTED)
        return;
    if (mlx_sysfile_read(meminfo, text, sizeof text) < 0 ||
        !mlx_meminfo_amount(text, "MemTotal", &total) ||
        !mlx_meminfo_amount(text, "MemAvailable", &available) || available > total)
        return;
    mlx_value_set_bool(look->data, "unified", true);
    mlx_value_set_int(look->data, "memory_total", total);
    mlx_value_set_int(look->data, "memory_used", total - available);
}

static void add_clock(look_t *look, const char *field, int kind)
{
    unsigned megahertz;
    if (look->api->clock && ok(look, look->api->clock(look->handle, kind, &megahertz)))
        mlx_value_set_real(look->data, field, megahertz * 1e6);
}

static void add_media(look_t *look, const char *field,
                      nvml_return_t (*get)(nvml_device_t, unsigned *, unsigned *))
{
    unsigned percent;
    unsigned period_us;
    if (get && ok(look, get(look->handle, &percent, &period_us)) && percent <= 100)
        mlx_value_set_real(look->data, field, percent / 100.0);
}

static void add_throttle(look_t *look)
{
    unsigned long long mask;
    if (!look->api->reasons || !ok(look, look->api->reasons(look->handle, &mask)))
        return;
    mlx_value_t *list = mlx_value_set(look->data, "throttle", mlx_value_list());
    for (size_t i = 0; i < MLX_COUNT(reasons); i++)
        if (mask & reasons[i].bit)
            mlx_value_append(list, mlx_value_new_str(reasons[i].name));
}

/*  Is what was asked at LAST_US (0: never) due again? */
static bool is_due(const look_t *look, int64_t last_us, int64_t period_us)
{
    return last_us == 0 || look->now_us - last_us >= period_us;
}

typedef nvml_return_t (*list_fn)(nvml_device_t, unsigned *, nvml_process_t *);

/*  The GPU's processes of the kind that GET lists, or NULL. Caller frees. *COUNT is set. */
static nvml_process_t *read_processes(look_t *look, list_fn get, unsigned *count)
{
    for (unsigned room = FIRST_PROCESSES; get && room <= MAX_PROCESSES;) {
        nvml_process_t *list = mlx_alloc(room, sizeof *list);
        *count = room;
        nvml_return_t code = get(look->handle, count, list);
        if (ok(look, code) && *count <= room)
            return list;
        free(list);
        if (code != NVML_INSUFFICIENT_SIZE)
            break;
        room = *count > room ? *count + FIRST_PROCESSES : room * 2;
    }
    return NULL;
}

/*  Count the share of a sample in, for its process. */
static void count_use(mlx_nvml_gpu_t *gpu, const nvml_process_use_t *sample)
{
    size_t i = 0;
    while (i < gpu->uses && gpu->use[i].pid != sample->pid)
        i++;
    if (sample->sm > 100 || i == MLX_COUNT(gpu->use))
        return;
    if (i == gpu->uses)
        gpu->use[gpu->uses++] = (mlx_nvml_use_t){.pid = sample->pid};
    gpu->use[i].percent += sample->sm;
    gpu->use[i].samples++;
}

/*  The driver's samples since the last question, into the GPU's accounts. */
static void read_process_use(look_t *look)
{
    mlx_nvml_gpu_t *gpu = look->gpu;
    unsigned room = FIRST_PROCESSES * 4;
    unsigned count = room;
    MLX_CLEANUP(mlx_free_p) nvml_process_use_t *samples = mlx_alloc(room, sizeof *samples);
    gpu->uses = 0;
    gpu->use_us = look->now_us;
    nvml_return_t code = look->api->process_use(look->handle, samples, &count, gpu->use_seen);
    if (code == NVML_INSUFFICIENT_SIZE && count > room && count <= MAX_PROCESSES) {
        free(samples);
        room = count;
        samples = mlx_alloc(room, sizeof *samples);
        code = look->api->process_use(look->handle, samples, &count, gpu->use_seen);
    }
    if (!ok(look, code))
        return;
    for (unsigned i = 0; i < count && i < room; i++)
        if (samples[i].t > gpu->use_seen)
            gpu->use_seen = samples[i].t;
    for (unsigned i = 0; i < count && i < room; i++)
        if (samples[i].t + USE_US > gpu->use_seen) /* the first answer goes far back */
            count_use(gpu, &samples[i]);
}

/*  The share of the GPU that each process used, into the list's items. */
static void add_process_use(look_t *look, mlx_value_t *list)
{
    mlx_nvml_gpu_t *gpu = look->gpu;
    if (!look->api->process_use || !mlx_value_size(list))
        return;
    if (is_due(look, gpu->use_us, USE_US))
        read_process_use(look);
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        mlx_value_t *item = mlx_value_at(list, i);
        int64_t pid;
        for (size_t k = 0; mlx_value_int(item, "pid", &pid) && k < gpu->uses; k++)
            if (pid == gpu->use[k].pid)
                mlx_value_set_real(item, "utilization",
                                   gpu->use[k].percent / gpu->use[k].samples / 100.0);
    }
    if (gpu->uses > 0)
        mlx_readings_held(look->out, look->topic, "processes",
                          (double)(look->now_us - gpu->use_us) * 1e-6);
}

static bool has_process(const mlx_value_t *list, unsigned pid)
{
    int64_t known;
    for (size_t i = 0; i < mlx_value_size(list); i++)
        if (mlx_value_int(mlx_value_at(list, i), "pid", &known) && known == pid)
            return true;
    return false;
}

/*  Add the processes that GET lists, but none twice: what both computes and draws is in both lists.
 *  False when the GPU does not say. */
static bool list_processes(look_t *look, list_fn get, mlx_value_t *list)
{
    unsigned count = 0;
    MLX_CLEANUP(mlx_free_p) nvml_process_t *processes = read_processes(look, get, &count);
    size_t before = mlx_value_size(list);
    for (unsigned i = 0; processes && i < count; i++) {
        if (before && has_process(list, processes[i].pid))
            continue;
        mlx_value_t *item = mlx_value_append(list, mlx_value_map());
        mlx_value_set_int(item, "pid", processes[i].pid);
        char program[64] = "";
        if (mlx_value_size(list) <= FIRST_PROCESSES)
            mlx_program_name(program, sizeof program, look->proc_root, processes[i].pid);
        mlx_value_set_str(item, "program", program[0] ? program : NULL);
        if (processes[i].gpu_instance != UINT32_MAX)
            mlx_value_set_int(item, "instance", processes[i].gpu_instance);
        add_bytes(item, "memory", processes[i].memory);
    }
    return processes != NULL;
}

static void add_processes(look_t *look)
{
    mlx_value_t *list = mlx_value_list();
    bool known = list_processes(look, look->api->compute, list);
    known = list_processes(look, look->api->graphics, list) || known;
    if (!known) {
        mlx_value_destroy(&list);
        return;
    }
    mlx_value_set(look->data, "processes", list);
    add_process_use(look, list);
}

static void add_fan(look_t *look)
{
    unsigned min;
    unsigned max;
    if (look->gpu->no_fan) /* the answer costs 0.2 ms */
        return;
    add_scaled(look, "fan", look->api->fan, 1e-2);
    look->gpu->no_fan = !mlx_value_get(look->data, "fan");
    if (!mlx_value_get(look->data, "fan") || !look->api->fan_range ||
        !ok(look, look->api->fan_range(look->handle, &min, &max)) || min > max || max > 100)
        return;
    mlx_value_set_real(look->data, "fan_min", min / 100.0);
    mlx_value_set_real(look->data, "fan_max", max / 100.0);
}

static bool counter(const nvml_field_t *field, unsigned long long *out)
{
    if (field->answer != NVML_SUCCESS)
        return false;
    if (field->type == NVML_VALUE_ULL)
        *out = field->value.ull;
    else if (field->type == NVML_VALUE_U64)
        *out = field->value.u64;
    else if (field->type == NVML_VALUE_U32)
        *out = field->value.u32;
    else
        return false;
    return true;
}

/*  VALUE as of MEASURED_US. */
static void add_held(look_t *look, const char *field, double value, int64_t measured_us)
{
    mlx_value_set_real(look->data, field, value);
    if (mlx_value_get(look->data, field))
        mlx_readings_held(look->out, look->topic, field,
                          (double)(look->now_us - measured_us) * 1e-6);
}

static void add_energy(look_t *look)
{
    mlx_nvml_gpu_t *gpu = look->gpu;
    unsigned long long millijoules;
    if (is_due(look, gpu->energy_us, ENERGY_US)) {
        bool known = look->api->energy && ok(look, look->api->energy(look->handle, &millijoules));
        gpu->energy = known ? (double)millijoules * 1e-3 : (double)NAN;
        gpu->energy_us = look->now_us;
    }
    add_held(look, "energy", gpu->energy, gpu->energy_us);
}

/*  The bytes counted over PCIe; *NARROW: in 32 bits, *T: when, in microseconds. */
static bool pcie_counters(look_t *look, unsigned long long counted[2], bool *narrow, long long *t)
{
    nvml_field_t fields[] = {{.field = NVML_FIELD_PCIE_TX}, {.field = NVML_FIELD_PCIE_RX}};
    if (!look->api->fields || !ok(look, look->api->fields(look->handle, 2, fields)) ||
        !counter(&fields[0], &counted[0]) || !counter(&fields[1], &counted[1]))
        return false;
    *narrow = fields[0].type == NVML_VALUE_U32 && fields[1].type == NVML_VALUE_U32;
    *t = fields[1].t;
    return true;
}

/*  A counter of 32 bits passes its end within 67 ms at the full speed of 16 lanes of PCIe 5 (an
 *  H200 with driver 580 counts so): its speed is that of a short moment, or nobody knows how often
 *  it passed. BEFORE and T are of the question just asked. */
static void read_narrow_pcie(look_t *look, const unsigned long long before[2], long long t)
{
    mlx_nvml_gpu_t *gpu = look->gpu;
    const struct timespec moment = {.tv_nsec = NARROW_US * 1000L};
    unsigned long long after[2];
    bool narrow;
    long long end;
    nanosleep(&moment, NULL);
    if (!pcie_counters(look, after, &narrow, &end) || !narrow || end <= t)
        return;
    gpu->pcie_tx = (double)(uint32_t)(after[0] - before[0]) / ((double)(end - t) * 1e-6);
    gpu->pcie_rx = (double)(uint32_t)(after[1] - before[1]) / ((double)(end - t) * 1e-6);
}

/*  Bytes a second over PCIe, from the driver's counters: the older question for the throughput
 *  holds its caller up for 20 ms each way. */
static void read_pcie(look_t *look)
{
    mlx_nvml_gpu_t *gpu = look->gpu;
    unsigned long long counted[2];
    bool narrow;
    long long t;
    gpu->pcie_tx = gpu->pcie_rx = NAN;
    gpu->first_pcie = false;
    if (!pcie_counters(look, counted, &narrow, &t))
        return;
    double seconds = (double)(look->now_us - gpu->read_us) * 1e-6;
    if (narrow) {
        read_narrow_pcie(look, counted, t);
    } else {
        gpu->first_pcie = gpu->read_us == 0;
        if (gpu->read_us && seconds > 0 && counted[0] >= gpu->sent && counted[1] >= gpu->taken) {
            gpu->pcie_tx = (double)(counted[0] - gpu->sent) / seconds;
            gpu->pcie_rx = (double)(counted[1] - gpu->taken) / seconds;
        }
    }
    gpu->sent = counted[0];
    gpu->taken = counted[1];
    gpu->read_us = look->now_us;
}

/*  The second look follows the first at once: until then there is no speed. */
static void add_pcie(look_t *look)
{
    mlx_nvml_gpu_t *gpu = look->gpu;
    if (gpu->first_pcie || is_due(look, gpu->read_us, PCIE_US))
        read_pcie(look);
    add_held(look, "pcie_tx", gpu->pcie_tx, gpu->read_us);
    add_held(look, "pcie_rx", gpu->pcie_rx, gpu->read_us);
}

/*  Is the GPU divided? That changes with a command of root's and is asked now and then. */
static bool is_divided(look_t *look)
{
    unsigned mode;
    unsigned pending;
    mlx_nvml_gpu_t *gpu = look->gpu;
    if (!look->api->mig_mode || !is_due(look, gpu->divided_us, DIVIDED_US))
        return gpu->divided;
    gpu->divided_us = look->now_us;
    gpu->divided = ok(look, look->api->mig_mode(look->handle, &mode, &pending)) && mode == 1;
    return gpu->divided;
}

/*  The parts that a GPU in MIG mode is cut into; it counts no utilization as a whole then. */
static bool add_instances(look_t *look)
{
    unsigned count;
    const mlx_nvml_t *api = look->api;
    if (!api->mig_count || !api->mig_handle || !is_divided(look) ||
        !ok(look, api->mig_count(look->handle, &count)))
        return false;
    mlx_value_t *list = mlx_value_set(look->data, "instances", mlx_value_list());
    for (unsigned i = 0; i < count && i < MAX_INSTANCES; i++) {
        nvml_device_t part;
        char text[NVML_NAME_SIZE] = "";
        if (!ok(look, api->mig_handle(look->handle, i, &part)))
            continue;
        mlx_value_t *item = mlx_value_append(list, mlx_value_map());
        unsigned number;
        if (api->mig_number && ok(look, api->mig_number(part, &number)))
            mlx_value_set_int(item, "number", number);
        if (api->uuid && ok(look, api->uuid(part, text, sizeof text)))
            mlx_value_set_str(item, "id", text);
        if (api->name && ok(look, api->name(part, text, sizeof text)))
            mlx_value_set_str(item, "name", text);
        (void)read_memory(look, part, item);
    }
    return true;
}

/*  What a person looks for first, and is told about when this card does not give it. */
static void note_missing(mlx_readings_t *out, const mlx_nvml_gpu_t *gpu, bool divided)
{
    static const char *const fields[] = {
        "utilization", "memory_used", "memory_total", "frequency", "power",
        "energy",      "temperature", "fan",          "throttle",  "processes",
        "encoder",     "decoder",     "pcie_tx",      "pcie_rx",
    };
    const char *topic = mlx_readings_gpu_topic(out, gpu->key);
    if (divided)
        mlx_readings_missing(out, topic, "utilization",
                             "the GPU is partitioned (MIG): this is not counted for any part");
    if (gpu->first_pcie)
        mlx_readings_missing(out, topic, "pcie_tx", "measured from the second reading on");
    if (gpu->first_pcie)
        mlx_readings_missing(out, topic, "pcie_rx", "measured from the second reading on");
    for (size_t i = 0; i < MLX_COUNT(fields); i++)
        if (!mlx_readings_has(out, topic, fields[i]))
            mlx_readings_missing(out, topic, fields[i], "not supported by this GPU or its driver");
}

static bool is_busy(const mlx_value_t *data)
{
    double utilization;
    const mlx_value_t *processes = mlx_value_get(data, "processes");
    return !mlx_value_real(data, "utilization", &utilization) || utilization > 0 || !processes ||
           mlx_value_size(processes) > 0;
}

nvml_return_t mlx_nvml_read(const mlx_nvml_t *api, mlx_nvml_gpu_t *gpu,
                            const mlx_nvml_machine_t *machine, int64_t now_us, mlx_readings_t *out,
                            bool *busy)
{
    mlx_value_t *data = mlx_readings_gpu(out, gpu->key);
    look_t look = {.api = api,
                   .gpu = gpu,
                   .out = out,
                   .topic = mlx_readings_gpu_topic(out, gpu->key),
                   .now_us = now_us,
                   .handle = gpu->handle,
                   .proc_root = machine->proc_root,
                   .data = data};
    mlx_value_set_str(data, "name", gpu->name[0] ? gpu->name : NULL);
    mlx_value_set_str(data, "vendor", "nvidia");
    mlx_value_set_str(data, "backend", "nvml");
    mlx_value_set_str(data, "id", gpu->id);
    nvml_utilization_t utilization;
    if (api->utilization && ok(&look, api->utilization(gpu->handle, &utilization)))
        mlx_value_set_real(data, "utilization", utilization.gpu / 100.0);
    add_media(&look, "encoder", api->encoder);
    add_media(&look, "decoder", api->decoder);
    add_memory(&look, machine->meminfo);
    add_clock(&look, "frequency", NVML_CLOCK_GRAPHICS);
    add_clock(&look, "memory_frequency", NVML_CLOCK_MEM);
    add_scaled(&look, "power", api->power, 1e-3);
    add_scaled(&look, "power_limit", api->limit, 1e-3);
    add_fan(&look);
    add_energy(&look);
    unsigned celsius;
    if (api->temperature &&
        ok(&look, api->temperature(gpu->handle, NVML_TEMPERATURE_GPU, &celsius)))
        mlx_value_set_real(data, "temperature", celsius);
    add_throttle(&look);
    add_processes(&look);
    add_pcie(&look);
    note_missing(out, gpu, add_instances(&look));
    *busy = is_busy(data);
    return look.fatal;
}
