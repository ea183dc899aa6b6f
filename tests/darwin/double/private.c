/*  Private libraries of the double: libIOReport, the HID event system, and how they are opened */
#include "dd.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char subscription_kind[] = "IOReport subscription", client_kind[] = "HID client",
                  service_kind[] = "HID service", event_kind[] = "HID event";

dd_channel_t *dd_energy(const char *name, const char *unit, int64_t first, int64_t second)
{
    if (dd.channel_count == DD_CHANNELS)
        dd_die("dd_energy", "too many");
    dd_channel_t *self = &dd.channels[dd.channel_count++];
    *self = (dd_channel_t){.group = "Energy Model",
                           .subgroup = "",
                           .name = name,
                           .unit = unit,
                           .value = {first, second, second}};
    return self;
}

dd_channel_t *dd_bytes(const char *name, int64_t first, int64_t second)
{
    dd_channel_t *self = dd_energy(name, "B", first, second);
    self->group = "AMC Stats";
    self->subgroup = "Perf Counters";
    return self;
}

dd_channel_t *dd_energy_series(const char *name, const char *unit, const int64_t *values, int count)
{
    dd_channel_t *self = dd_energy(name, unit, values[0], values[0]);
    self->series = values;
    self->series_len = count;
    return self;
}

/*  RESIDENCY is the time in each state between the first and the second sample. */
dd_channel_t *dd_states(const char *group, const char *subgroup, const char *name,
                        const char *const *states, const int64_t *residency, int count)
{
    if (dd.channel_count == DD_CHANNELS || count > DD_STATES)
        dd_die("dd_states", "too many");
    dd_channel_t *self = &dd.channels[dd.channel_count++];
    *self = (dd_channel_t){.group = group,
                           .subgroup = subgroup,
                           .name = name,
                           .unit = "24Mticks",
                           .state_count = count};
    for (int i = 0; i < count; i++) {
        bool down = strcmp(states[i], "DOWN") == 0 || strcmp(states[i], "OFF") == 0;
        self->states[i] = states[i];
        self->residency[0][i] = down ? 0 : 1000;
        self->residency[1][i] = self->residency[0][i] + residency[i];
        self->residency[2][i] = self->residency[1][i] + residency[i];
    }
    return self;
}

static CFTypeRef describe(int index)
{
    CFMutableDictionaryRef channel = dd_dict();
    dd_dict_put(channel, "group", dd_text(dd.channels[index].group));
    dd_dict_put(channel, "name", dd_text(dd.channels[index].name));
    dd_dict_put(channel, "unit", dd_text(dd.channels[index].unit));
    dd_dict_put(channel, "index", dd_number(index));
    return channel;
}

static CFDictionaryRef copy_channels(CFStringRef group, CFStringRef subgroup, uint64_t a,
                                     uint64_t b, uint64_t c)
{
    if (a || b || c)
        dd_die("IOReportCopyChannelsInGroup", "argument is not modelled");
    CFTypeRef list = dd_array();
    for (int i = 0; i < dd.channel_count; i++)
        if (dd_text_is(group, dd.channels[i].group) &&
            (!subgroup || dd_text_is(subgroup, dd.channels[i].subgroup)))
            dd_array_add(list, describe(i));
    if (CFArrayGetCount(list) == 0) {
        CFRelease(list);
        return NULL;
    }
    CFMutableDictionaryRef channels = dd_dict();
    dd_dict_put(channels, "IOReportChannels", list);
    return channels;
}

static void merge_channels(CFDictionaryRef into, CFDictionaryRef from, CFTypeRef nothing)
{
    if (nothing)
        dd_die("IOReportMergeChannels", "argument is not modelled");
    CFTypeRef to = CFDictionaryGetValue(into, CFSTR("IOReportChannels"));
    CFArrayRef list = CFDictionaryGetValue(from, CFSTR("IOReportChannels"));
    for (CFIndex i = 0; i < CFArrayGetCount(list); i++)
        dd_array_add(to, dd_copy(CFArrayGetValueAtIndex(list, i)));
}

static bool has_amc(CFDictionaryRef channels)
{
    CFArrayRef list = CFDictionaryGetValue(channels, CFSTR("IOReportChannels"));
    for (CFIndex i = 0; i < CFArrayGetCount(list); i++)
        if (dd_text_is(CFDictionaryGetValue(CFArrayGetValueAtIndex(list, i), CFSTR("group")),
                       "AMC Stats"))
            return true;
    return false;
}

/*  The list of subscribed channels is the subscription's: who releases it crashes. */
static CFTypeRef subscribe(void *nothing, CFMutableDictionaryRef channels,
                           CFMutableDictionaryRef *subscribed, uint64_t id, CFTypeRef neither)
{
    if (nothing || id || neither || !CFDictionaryGetValue(channels, CFSTR("IOReportChannels")))
        dd_die("IOReportCreateSubscription", "argument is not modelled");
    *subscribed = NULL;
    if (dd.fail_subscription || (dd.refuse_amc && has_amc(channels)))
        return NULL;
    int number = dd.subscriptions++ % (int)(sizeof dd.samples / sizeof dd.samples[0]);
    dd.samples[number] = 0;
    return dd_opaque(subscription_kind, number);
}

static int64_t integer(CFDictionaryRef channel, CFStringRef key)
{
    int64_t value = 0;
    CFNumberRef number = CFDictionaryGetValue(channel, key);
    if (!number || !CFNumberGetValue(number, kCFNumberSInt64Type, &value))
        dd_die("IOReport", "not a channel of this kind");
    return value;
}

static int64_t value_at(const dd_channel_t *from, int sample)
{
    if (!from->series)
        return from->value[sample > 2 ? 2 : sample];
    if (sample >= from->series_len)
        dd_die("IOReportCreateSamples", "the series is at its end");
    return from->series[sample];
}

static int64_t residency_at(const dd_channel_t *from, int sample, int state)
{
    return from->residency[sample > 2 ? 2 : sample][state];
}

static CFTypeRef sample_of(int index, int sample, int before)
{
    const dd_channel_t *from = &dd.channels[index];
    CFMutableDictionaryRef channel = (CFMutableDictionaryRef)(uintptr_t)describe(index);
    int64_t base = before < 0 ? 0 : value_at(from, before);
    dd_dict_put(channel, "value", dd_number(value_at(from, sample) - base));
    CFTypeRef times = dd_array();
    for (int i = 0; i < from->state_count; i++) {
        base = before < 0 ? 0 : residency_at(from, before, i);
        dd_array_add(times, dd_number(residency_at(from, sample, i) - base));
    }
    dd_dict_put(channel, "times", times);
    return channel;
}

static CFTypeRef samples_of(CFArrayRef channels, int sample, int before)
{
    CFTypeRef list = dd_array();
    for (CFIndex i = 0; i < CFArrayGetCount(channels); i++)
        dd_array_add(list,
                     sample_of((int)integer(CFArrayGetValueAtIndex(channels, i), CFSTR("index")),
                               sample, before));
    CFMutableDictionaryRef samples = dd_dict();
    dd_dict_put(samples, "IOReportChannels", list);
    dd_dict_put(samples, "sample", dd_number(sample));
    return samples;
}

static CFTypeRef create_samples(CFTypeRef subscription, CFMutableDictionaryRef channels,
                                CFTypeRef nothing)
{
    int number = dd_opaque_number(subscription, subscription_kind);
    if (nothing)
        dd_die("IOReportCreateSamples", "argument is not modelled");
    return samples_of(CFDictionaryGetValue(channels, CFSTR("IOReportChannels")),
                      dd.samples[number]++, -1);
}

static CFTypeRef create_delta(CFDictionaryRef before, CFDictionaryRef after, CFTypeRef nothing)
{
    if (nothing)
        dd_die("IOReportCreateSamplesDelta", "argument is not modelled");
    if (dd.fail_delta)
        return NULL;
    return samples_of(CFDictionaryGetValue(after, CFSTR("IOReportChannels")),
                      (int)integer(after, CFSTR("sample")), (int)integer(before, CFSTR("sample")));
}

static CFTypeRef channel_group(CFDictionaryRef channel)
{
    return CFDictionaryGetValue(channel, CFSTR("group"));
}

static CFTypeRef channel_name(CFDictionaryRef channel)
{
    return CFDictionaryGetValue(channel, CFSTR("name"));
}

static CFTypeRef channel_unit(CFDictionaryRef channel)
{
    return CFDictionaryGetValue(channel, CFSTR("unit"));
}

static int64_t integer_value(CFDictionaryRef channel, int32_t index)
{
    if (index)
        dd_die("IOReportSimpleGetIntegerValue", "index is not modelled");
    return integer(channel, CFSTR("value"));
}

static const dd_channel_t *channel_of(CFDictionaryRef channel)
{
    return &dd.channels[integer(channel, CFSTR("index"))];
}

static int32_t state_count(CFDictionaryRef channel)
{
    return channel_of(channel)->state_count;
}

/*  Borrowed, so it must come from something that lives: constants are interned. */
static CFStringRef state_name(CFDictionaryRef channel, int32_t index)
{
    if (index < 0 || index >= channel_of(channel)->state_count)
        dd_die("IOReportStateGetNameForIndex", "out of range");
    return __CFStringMakeConstantString(channel_of(channel)->states[index]);
}

static int64_t state_residency(CFDictionaryRef channel, int32_t index)
{
    CFArrayRef times = CFDictionaryGetValue(channel, CFSTR("times"));
    int64_t value = 0;
    CFNumberGetValue(CFArrayGetValueAtIndex(times, index), kCFNumberSInt64Type, &value);
    return value;
}

static CFTypeRef hid_create(CFAllocatorRef allocator)
{
    if (allocator)
        dd_die("IOHIDEventSystemClientCreate", "allocator is not modelled");
    return dd_opaque(client_kind, 0);
}

static int32_t hid_set_matching(CFTypeRef client, CFDictionaryRef matching)
{
    dd_opaque_number(client, client_kind);
    if (integer(matching, CFSTR("PrimaryUsagePage")) != 0xff00 ||
        integer(matching, CFSTR("PrimaryUsage")) != 5)
        dd_die("IOHIDEventSystemClientSetMatching", "these are not the temperature sensors");
    return 0;
}

static CFTypeRef hid_copy_services(CFTypeRef client)
{
    dd_opaque_number(client, client_kind);
    if (dd.hid_count == 0)
        return NULL;
    CFTypeRef list = dd_array();
    for (int i = 0; i < dd.hid_count; i++)
        dd_array_add(list, dd_opaque(service_kind, i));
    return list;
}

static CFTypeRef hid_copy_property(CFTypeRef service, CFStringRef key)
{
    int index = dd_opaque_number(service, service_kind);
    if (!dd_text_is(key, "Product"))
        dd_die("IOHIDServiceClientCopyProperty", "property is not modelled");
    return dd.hid[index].product ? dd_text(dd.hid[index].product) : dd_number(7);
}

static CFTypeRef hid_copy_event(CFTypeRef service, int64_t type, int32_t options, int64_t time)
{
    int index = dd_opaque_number(service, service_kind);
    if (type != 15 || options || time)
        dd_die("IOHIDServiceClientCopyEvent", "argument is not modelled");
    return dd.fail_events ? NULL : dd_opaque(event_kind, index);
}

static double hid_float_value(CFTypeRef event, int32_t field)
{
    int index = dd_opaque_number(event, event_kind);
    if (field != 15 << 16)
        dd_die("IOHIDEventGetFloatValue", "field is not modelled");
    return dd.hid[index].celsius;
}

/*  Metal and Objective-C, as far as one message goes. */
static char metal_device;
static const char working_set[] = "recommendedMaxWorkingSetSize", release_selector[] = "release";

static void *create_device(void)
{
    dd.metal_calls++;
    if (dd.recommended == 0)
        return NULL;
    dd.metal_devices++;
    return &metal_device;
}

static void *register_selector(const char *name)
{
    if (strcmp(name, working_set) == 0)
        return (void *)(uintptr_t)working_set;
    if (strcmp(name, release_selector) == 0)
        return (void *)(uintptr_t)release_selector;
    dd_die("sel_registerName", name);
}

static uint64_t send_message(void *object, void *selector)
{
    if (object != &metal_device || dd.metal_devices < 1)
        dd_die("objc_msgSend", "no such object, or released before");
    if (selector == release_selector)
        return (uint64_t)--dd.metal_devices;
    return dd.recommended;
}

static const struct {
    const char *library;
    const char *symbol;
    void *function;
} exports[] = {
    {"libIOReport", "IOReportCopyChannelsInGroup", copy_channels},
    {"libIOReport", "IOReportMergeChannels", merge_channels},
    {"libIOReport", "IOReportCreateSubscription", subscribe},
    {"libIOReport", "IOReportCreateSamples", create_samples},
    {"libIOReport", "IOReportCreateSamplesDelta", create_delta},
    {"libIOReport", "IOReportChannelGetGroup", channel_group},
    {"libIOReport", "IOReportChannelGetChannelName", channel_name},
    {"libIOReport", "IOReportChannelGetUnitLabel", channel_unit},
    {"libIOReport", "IOReportSimpleGetIntegerValue", integer_value},
    {"libIOReport", "IOReportStateGetCount", state_count},
    {"libIOReport", "IOReportStateGetNameForIndex", state_name},
    {"libIOReport", "IOReportStateGetResidency", state_residency},
    {"Metal", "MTLCreateSystemDefaultDevice", create_device},
    {"libobjc", "sel_registerName", register_selector},
    {"libobjc", "objc_msgSend", send_message},
    {"IOKit", "IOHIDEventSystemClientCreate", hid_create},
    {"IOKit", "IOHIDEventSystemClientSetMatching", hid_set_matching},
    {"IOKit", "IOHIDEventSystemClientCopyServices", hid_copy_services},
    {"IOKit", "IOHIDServiceClientCopyProperty", hid_copy_property},
    {"IOKit", "IOHIDServiceClientCopyEvent", hid_copy_event},
    {"IOKit", "IOHIDEventGetFloatValue", hid_float_value},
};

static const struct {
    const char *path;
    const char *name;
} libraries[] = {
    {"/usr/lib/libIOReport.dylib", "libIOReport"},
    {"/usr/lib/libobjc.A.dylib", "libobjc"},
    {"/System/Library/Frameworks/Metal.framework/Metal", "Metal"},
    {"/System/Library/Frameworks/IOKit.framework/IOKit", "IOKit"},
};

void *dlopen(const char *path, int flags)
{
    dd_handle_t content = {.node = -1};
    if (flags != (RTLD_LAZY | RTLD_LOCAL))
        dd_die("dlopen", "flags are not modelled");
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++)
        if (strcmp(path, libraries[i].path) == 0) {
            if (dd.no_ioreport && strcmp(libraries[i].name, "libIOReport") == 0)
                return NULL;
            snprintf(content.class_name, sizeof content.class_name, "%s", libraries[i].name);
            return (void *)(uintptr_t)dd_handle_new(dd_library, &content);
        }
    dd_die("dlopen", path);
}

void *dlsym(void *library, const char *symbol)
{
    const dd_handle_t *self = dd_handle_get((uint32_t)(uintptr_t)library, dd_library);
    if (dd.no_hid_symbols && strncmp(symbol, "IOHID", 5) == 0)
        return NULL;
    for (size_t i = 0; i < sizeof exports / sizeof exports[0]; i++)
        if (strcmp(exports[i].library, self->class_name) == 0 &&
            strcmp(exports[i].symbol, symbol) == 0)
            return exports[i].function;
    dd_die("dlsym", symbol);
}

int dlclose(void *library)
{
    dd_handle_release((uint32_t)(uintptr_t)library, dd_library);
    return 0;
}
