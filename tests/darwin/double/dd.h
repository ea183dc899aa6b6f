/*  dd.h - the Darwin double: CoreFoundation, IOKit, mach and friends, as small as the suite's use
 *
 *  The macOS sources are compiled natively and linked with this, under the address and leak
 *  sanitizers, so that their look-ups, units and ownership are tested where there is no Mac. It is
 *  a model: reference counts are counted, types are checked, everything asked for that is not
 *  modelled stops the test, and nothing ever answers with a plausible value.
 *
 *  Objects without a pointer (ports, registry handles, tokens) are kept alive by a pointer stored
 *  complemented, which the leak sanitizer cannot see: one that is not given back is reported with
 *  the stack that got it.
 *
 *      dd_machine_m1();             one of the canned machines
 *      dd.fail_properties = true;   faults
 *      ... run the source under test ...
 *      dd_reset();                  at the end of each test
 */
#ifndef MLX_TESTS_DD_H
#define MLX_TESTS_DD_H

#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DD_NODES = 32,
    DD_PROPERTIES = 16,
    DD_CHANNELS = 64,
    DD_STATES = 16,
    DD_SMC_KEYS = 160,
    DD_SYSCTLS = 48,
    DD_HID_SENSORS = 16,
    DD_PROCESSES = 8,
    DD_SOCKETS = 8,
    DD_CORES = 32,
};

/*  Stop the test: WHAT was done wrong or is not modelled. */
void dd_die(const char *what, const char *detail) __attribute__((noreturn));

/*  Handles of every integer kind. KIND is compared by address. */
typedef struct dd_handle {
    const char *kind;
    int node;
    int position;
    bool children; /* an iterator over those of PARENT, else over a class */
    int parent;
    char class_name[64];
} dd_handle_t;

uint32_t dd_handle_new(const char *kind, const dd_handle_t *content);
dd_handle_t *dd_handle_get(uint32_t handle, const char *kind);
void dd_handle_release(uint32_t handle, const char *kind);
extern const char dd_io_object[], dd_io_connection[], dd_port[], dd_token[], dd_library[];

/*  CF objects beyond what CoreFoundation itself offers the sources. */
CFTypeRef dd_text(const char *text);
CFTypeRef dd_number(int64_t number);
CFTypeRef dd_real(double number);
CFTypeRef dd_truth(bool truth);
CFTypeRef dd_data(const void *bytes, size_t len);
CFMutableDictionaryRef dd_dict(void);
CFTypeRef dd_array(void);
void dd_array_add(CFTypeRef array, CFTypeRef consumed);
CFTypeRef dd_opaque(const char *kind, int number); /* HID client, IOReport subscription, ... */
int dd_opaque_number(CFTypeRef object, const char *kind);
void dd_dict_put(CFMutableDictionaryRef dict, const char *key, CFTypeRef consumed);
CFTypeRef dd_copy(CFTypeRef value); /* deep: what is not released is a leak of its own */
bool dd_text_is(CFTypeRef string, const char *text);

typedef struct {
    const char *class_name;   /* what IOServiceMatching finds it by */
    const char *driver_class; /* what IOObjectGetClass says */
    const char *name;
    int parent; /* -1: none */
    const char *keys[DD_PROPERTIES];
    CFTypeRef values[DD_PROPERTIES]; /* owned */
    size_t count;
} dd_node_t;

typedef struct {
    const char *group, *subgroup, *name, *unit;
    int64_t value[3];      /* at the first, second, third sample */
    const int64_t *series; /* instead: at as many samples as there are; borrowed */
    int series_len;
    const char *states[DD_STATES];
    int64_t residency[3][DD_STATES];
    int state_count;
} dd_channel_t;

typedef struct {
    char key[5], type[5];
    uint8_t bytes[32];
    uint32_t size;
} dd_smc_key_t;

typedef struct {
    int pid, ppid;
    unsigned uid;
    const char *name;
    const void *area; /* what KERN_PROCARGS2 gives; NULL: not allowed */
    size_t area_len;
    struct {
        uint16_t port;
        bool listens;
        int family; /* 4, 6, or 46: an IPv6 socket that takes both */
        uint8_t address[16];
    } sockets[DD_SOCKETS];
    size_t socket_count;
    int error;     /* errno of every question about its descriptors; 0: answered */
    bool vanishes; /* is gone when they are asked for a second time */
} dd_process_t;

/*  The machine and its faults. */
extern struct dd {
    dd_node_t nodes[DD_NODES];
    int node_count;
    dd_channel_t channels[DD_CHANNELS];
    int channel_count;
    int samples[4]; /* of each subscription to IOReport, count up */
    int subscriptions;
    uint64_t recommended; /* by Metal; 0: no GPU */
    int metal_calls, metal_devices;
    bool refuse_amc; /* subscriptions with channels of AMC Stats */
    dd_smc_key_t smc[DD_SMC_KEYS];
    uint32_t smc_count;
    struct {
        const char *name;
        uint8_t bytes[64];
        size_t size;
    } sysctls[DD_SYSCTLS];
    int sysctl_count;
    struct {
        const char *product;
        double celsius;
    } hid[DD_HID_SENSORS];
    int hid_count;
    dd_process_t processes[DD_PROCESSES];
    int process_count;
    uint32_t vm[64]; /* vm_statistics64 as 4-byte words */
    uint32_t vm_words;
    uint32_t page_size;
    uint32_t ticks[DD_CORES][4];
    uint32_t core_count;
    uint64_t thermal_level;

    bool no_ioreport;       /* dlopen fails */
    bool no_hid_symbols;    /* dlsym fails */
    bool fail_matching;     /* IOServiceGetMatchingServices fails */
    bool fail_vm;           /* host_statistics64 fails */
    bool fail_processors;   /* host_processor_info fails */
    bool fail_thermal;      /* notify_register_check fails */
    bool fail_delta;        /* IOReportCreateSamplesDelta gives NULL */
    bool fail_smc_open;     /* IOServiceOpen fails */
    bool fail_smc_calls;    /* the controller no longer answers */
    bool fail_subscription; /* IOReportCreateSubscription gives NULL */
    bool fail_events;       /* HID sensors give no event */
} dd;

/*  Build the machine. */
int dd_node(const char *class_name, const char *driver_class, const char *name, int parent);
void dd_property(int node, const char *key, CFTypeRef consumed);
void dd_sysctl_int(const char *name, int64_t value, size_t width);
void dd_sysctl_text(const char *name, const char *text);
void dd_sysctl_bytes(const char *name, const void *bytes, size_t size);
void dd_sysctl_remove(const char *name);
void dd_smc_flt(const char *key, float value);
void dd_smc_bytes(const char *key, const char *type, const void *bytes, uint32_t size);
dd_channel_t *dd_bytes(const char *name, int64_t first, int64_t second);
dd_channel_t *dd_energy(const char *name, const char *unit, int64_t first, int64_t second);
dd_channel_t *dd_energy_series(const char *name, const char *unit, const int64_t *values,
                               int count);
dd_channel_t *dd_states(const char *group, const char *subgroup, const char *name,
                        const char *const *states, const int64_t *residency, int count);

/*  Forget the machine; stops the test when some of its objects are still held. */
void dd_reset(void);

/*  Canned machines, with figures that tests know (machines.c). */
void dd_machine_m1(void);    /* Apple M1, Hz tables, mJ, HID and SMC sensors, battery */
void dd_machine_m4(void);    /* Apple M4 Max, kHz tables, uJ and nJ */
void dd_machine_m5(void);    /* tables behind acc-clusters, MCPU cores, places without a core */
void dd_machine_intel(void); /* two GPUs, no IOReport channels, sp78 and fpe2 keys */
void dd_machine_vm(void);    /* memory and processors only */

#endif
