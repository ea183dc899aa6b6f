/*  Canned machines. Figures are round so that a test can know its answer; the shape of each
 *  registry (which keys, which types, which units) is what monitors of such machines report. */
#include "dd.h"

#include <string.h>
#include <sys/sysctl.h>

#define GIB ((int64_t)1 << 30)

/*  Words of vm_statistics64. */
enum {
    FREE = 0,
    ACTIVE = 1,
    INACTIVE = 2,
    WIRED = 3,
    PURGEABLE = 22,
    SPECULATIVE = 23,
    COMPRESSOR = 32,
    EXTERNAL = 34,
    MACOS_13_WORDS = 38
};

static void common(int64_t memory, uint32_t page_size, uint32_t cores)
{
    const struct xsw_usage swap = {.xsu_total = 2 * GIB, .xsu_avail = GIB, .xsu_used = GIB};
    const struct loadavg load = {.ldavg = {2048, 4096, 1024}, .fscale = 2048};
    dd_reset();
    dd_sysctl_int("hw.memsize", memory, 8);
    dd_sysctl_bytes("vm.swapusage", &swap, sizeof swap);
    dd_sysctl_bytes("vm.loadavg", &load, sizeof load);
    dd_sysctl_int("kern.memorystatus_vm_pressure_level", 1, 4);
    dd.page_size = page_size;
    dd.vm_words = MACOS_13_WORDS;
    dd.vm[FREE] = 1000;
    dd.vm[ACTIVE] = 3000;
    dd.vm[INACTIVE] = 2000;
    dd.vm[WIRED] = 1500;
    dd.vm[PURGEABLE] = 100;
    dd.vm[SPECULATIVE] = 200;
    dd.vm[COMPRESSOR] = 700;
    dd.vm[EXTERNAL] = 900;
    dd.core_count = cores;
    for (uint32_t i = 0; i < cores; i++)
        dd.ticks[i][2] = 1000;
}

static void apple_silicon(const char *chip, const char *fast, const char *slow)
{
    dd_sysctl_text("machdep.cpu.brand_string", chip);
    dd_sysctl_int("hw.optional.arm64", 1, 4);
    dd_sysctl_int("iogpu.wired_limit_mb", 0, 4);
    dd_sysctl_int("hw.nperflevels", 2, 4);
    dd_sysctl_text("hw.perflevel0.name", fast);
    dd_sysctl_text("hw.perflevel1.name", slow);
}

static void gpu(const char *driver, const char *model, int64_t percent, int64_t bytes)
{
    int node = dd_node("IOAccelerator", driver, driver, -1);
    CFMutableDictionaryRef stats = dd_dict();
    dd_dict_put(stats, "Device Utilization %", dd_number(percent));
    dd_dict_put(stats, "Renderer Utilization %", dd_number(percent));
    dd_dict_put(stats, "In use system memory", dd_number(bytes));
    dd_property(node, "PerformanceStatistics", stats);
    dd_property(node, "model", dd_text(model));
}

/*  8 bytes an entry: frequency and a voltage that must be left alone. */
static void table(int node, const char *key, const uint32_t *values, size_t count)
{
    uint32_t entries[2 * DD_STATES];
    for (size_t i = 0; i < count; i++) {
        entries[2 * i] = values[i];
        entries[2 * i + 1] = 0xffffffff;
    }
    dd_property(node, key, dd_data(entries, count * 8));
}

static int power_manager(void)
{
    dd_node("AppleARMIODevice", "AppleARMIODevice", "sio", -1);
    return dd_node("AppleARMIODevice", "AppleARMIODevice", "pmgr", -1);
}

static void core(const char *name, const char *const *states, const int64_t *times, int count)
{
    dd_states("CPU Stats", "CPU Core Performance States", name, states, times, count);
}

static void smc_node(const char *name)
{
    dd_node("AppleSMC", "AppleSMC", "AppleSMCEndpoint1", -1);
    dd_node("AppleSMC", "AppleSMC", name, -1);
}

static void smc_count(void)
{
    uint8_t big_endian[4] = {0, 0, 0, (uint8_t)(dd.smc_count + 1)};
    dd_smc_bytes("#KEY", "ui32", big_endian, 4);
}

void dd_machine_m1(void)
{
    static const char *const cpu_states[] = {"IDLE", "V0P2", "V1P1", "V2P0"};
    static const char *const gpu_states[] = {"OFF", "P1", "P2"};
    static const int64_t slow_core[] = {500, 500, 0, 0}; /* half the time at the lowest */
    static const int64_t idle_core[] = {1000, 0, 0, 0};
    static const int64_t fast_core[] = {250, 0, 250, 500};
    static const int64_t gpu_times[] = {600, 100, 300};
    static const uint32_t slow[] = {600000000, 1000000000, 2000000000};
    static const uint32_t fast[] = {600000000, 2000000000, 3200000000U};
    static const uint32_t gpu_table[] = {0, 400000000, 1200000000};
    common(16 * GIB, 16384, 8);
    apple_silicon("Apple M1", "Performance", "Efficiency");
    gpu("AGXAcceleratorG13G", "Apple M1", 42, GIB);
    int pmgr = power_manager();
    table(pmgr, "voltage-states1-sram", slow, 3);
    table(pmgr, "voltage-states5-sram", fast, 3);
    table(pmgr, "voltage-states9", gpu_table, 3);
    dd_energy("EACC_CPU", "mJ", 0, 99999);
    dd_energy("CPU Energy", "mJ", 1000, 6000);
    dd_energy("GPU Energy", "mJ      ", 1000, 3000);
    dd_energy("GPU SRAM0", "mJ", 0, 99999);
    dd_energy("ANE0", "mJ", 10, 10);
    dd_energy("DRAM0", "mJ", 0, 1000);
    core("ECPU0", cpu_states, slow_core, 4);
    core("ECPU1", cpu_states, idle_core, 4);
    core("PCPU0", cpu_states, fast_core, 4);
    core("PCPU1", cpu_states, fast_core, 4);
    dd_states("CPU Stats", "CPU Complex Performance States", "ECPU", cpu_states, slow_core, 4);
    dd_states("GPU Stats", "GPU Performance States", "GPUPH", gpu_states, gpu_times, 3);
    dd_states("GPU Stats", "GPU Performance States", "PWRCTRL", gpu_states, slow_core, 3);
    smc_node("AppleSMCKeysEndpoint");
    dd_smc_flt("Tp01", 60.0F);
    dd_smc_flt("Tp05", 50.0F);
    dd_smc_flt("Tp09", 0.0F); /* no reading */
    dd_smc_flt("Te05", 40.0F);
    dd_smc_flt("Tg05", 45.0F);
    dd_smc_flt("TB0T", 30.5F);
    dd_smc_flt("PSTR", 21.5F);
    dd_smc_flt("F0Ac", 0.0F); /* stands still */
    dd_smc_flt("F1Ac", 1350.0F);
    dd_smc_bytes("Tpzz", "hex_", "\1\2\3\4", 4); /* a name that fits and a type that does not */
    smc_count();
    int battery = dd_node("AppleSmartBattery", "AppleSmartBattery", "AppleSmartBattery", -1);
    dd_property(battery, "CurrentCapacity", dd_number(80));
    dd_property(battery, "MaxCapacity", dd_number(100));
    dd_property(battery, "ExternalConnected", dd_truth(false));
}

void dd_machine_m4(void)
{
    static const char *const states[] = {"DOWN", "IDLE", "V0P4", "V1P3", "V2P2", "V3P1", "V4P0"};
    static const char *const gpu_states[] = {"OFF", "P1", "P2", "P3"};
    static const int64_t core_times[] = {100, 100, 0, 400, 0, 0, 400};
    static const int64_t gpu_off[] = {1000, 0, 0, 0};
    static const uint32_t slow[] = {1000000, 2000000, 2600000}; /* kHz, fewer than states */
    static const uint32_t fast[] = {1000000, 2000000, 3000000, 4000000, 4500000};
    static const uint32_t gpu_table[] = {0, 400000000, 1200000000, 1600000000};
    common(64 * GIB, 16384, 4);
    apple_silicon("Apple M4 Max", "Performance", "Efficiency");
    dd_sysctl_int("iogpu.wired_limit_mb", 49152, 4);
    gpu("AGXAcceleratorG16X", "Apple M4 Max", 0, GIB);
    int pmgr = power_manager();
    table(pmgr, "voltage-states1-sram", slow, 3);
    table(pmgr, "voltage-states5-sram", fast, 5);
    table(pmgr, "voltage-states9", gpu_table, 4);
    dd_energy("CPU Energy", "uJ", 0, 8000000);
    dd_energy("GPU Energy", "nJ", 0, 3000000000);
    dd_energy("ANE", "kWh", 0, 5); /* a unit nobody knows */
    core("ECPU000", states, core_times, 7);
    core("PCPU000", states, core_times, 7);
    dd_states("GPU Stats", "GPU Performance States", "GPUPH", gpu_states, gpu_off, 4);
}

void dd_machine_m5(void)
{
    static const char *const states[] = {"DOWN", "IDLE", "V0P1", "V1P0"};
    static const int64_t busy[] = {0, 500, 0, 500};
    static const int64_t nothing[] = {1000, 0, 0, 0};
    static const uint32_t middle[] = {1000000, 3000000};
    static const uint32_t fast[] = {1000000, 4600000};
    /* Table number and tier of each cluster, as on an M5 Max. */
    static const uint8_t clusters[] = {0x16, 0, 0, 0, 0, 0, 0, 0, 0x17, 1, 0, 0,
                                       0,    0, 0, 0, 5, 2, 0, 0, 0,    0, 0, 0};
    common(128 * GIB, 16384, 3);
    apple_silicon("Apple M5 Max", "Super", "Performance");
    int pmgr = power_manager();
    dd_property(pmgr, "acc-clusters", dd_data(clusters, sizeof clusters));
    table(pmgr, "voltage-states23-sram", middle, 2);
    table(pmgr, "voltage-states5-sram", fast, 2);
    dd_energy("DIE_0_CPU Energy", "mJ", 0, 1000);
    dd_energy("DIE_1_CPU Energy", "mJ", 0, 2000);
    dd_channel_t *place = &dd.channels[dd.channel_count];
    core("MCPU0", states, nothing, 4);
    memset(place->residency[0], 0, sizeof place->residency[0]);
    memset(place->residency[1] + 1, 0, sizeof place->residency[1] - sizeof(int64_t));
    core("DIE_1_MCPU10", states, busy, 4);
    core("DIE_0_PCPU00", states, busy, 4);
}

void dd_machine_intel(void)
{
    static const char intel[] = "Intel UHD Graphics 630", amd[] = "AMD Radeon Pro 5500M";
    common(32 * GIB, 4096, 12);
    dd_sysctl_text("machdep.cpu.brand_string", "Intel(R) Core(TM) i9-9880H CPU @ 2.30GHz");
    int pci = dd_node("IOPCIDevice", "IOPCIDevice", "IGPU", -1);
    dd_property(pci, "model", dd_data(intel, sizeof intel));
    int node = dd_node("IOAccelerator", "IntelAccelerator", "IntelAccelerator", pci);
    CFMutableDictionaryRef stats = dd_dict();
    dd_dict_put(stats, "Device Utilization %", dd_number(7));
    dd_property(node, "PerformanceStatistics", stats);
    pci = dd_node("IOPCIDevice", "IOPCIDevice", "GFX0", -1);
    dd_property(pci, "model", dd_data(amd, sizeof amd));
    dd_property(pci, "VRAM,totalMB", dd_number(8192));
    node = dd_node("IOAccelerator", "AMDRadeonX6000_AMDNavi14GraphicsAccelerator", "AMD", pci);
    stats = dd_dict();
    dd_dict_put(stats, "Device Utilization %", dd_number(93));
    dd_dict_put(stats, "vramUsedBytes", dd_number(3 * GIB));
    dd_property(node, "PerformanceStatistics", stats);
    dd_node("AppleSMC", "AppleSMC", "AppleSMC", -1);
    dd_smc_bytes("TC0P", "sp78", "\x3c\x80", 2); /* 60.5 */
    dd_smc_bytes("TG0P", "sp78", "\x32\x00", 2); /* 50 */
    dd_smc_bytes("F0Ac", "fpe2", "\x1f\x42", 2); /* 2000.5 */
    dd_smc_bytes("FNum", "ui8 ", "\x01", 1);
    smc_count();
}

void dd_machine_vm(void)
{
    common(8 * GIB, 16384, 4);
    dd_sysctl_text("machdep.cpu.brand_string", "Apple processor");
    dd_sysctl_int("hw.optional.arm64", 1, 4);
    dd_sysctl_int("hw.nperflevels", 1, 4);
    dd.fail_thermal = true;
}
