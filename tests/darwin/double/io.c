/*  IOKit of the double: handles, the registry, the System Management Controller */
#include "dd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HANDLES = 256,
    FIRST = 0x1000
};

const char dd_io_object[] = "IOKit object", dd_io_connection[] = "IOKit connection",
           dd_port[] = "mach port", dd_token[] = "notify token", dd_library[] = "library";

struct dd dd;
const mach_port_t kIOMainPortDefault = 0;

/*  ~pointer: the leak sanitizer must not find it. */
static uintptr_t handles[HANDLES];

uint32_t dd_handle_new(const char *kind, const dd_handle_t *content)
{
    for (uint32_t i = 0; i < HANDLES; i++)
        if (!handles[i]) {
            dd_handle_t *handle = malloc(sizeof *handle);
            if (!handle)
                dd_die("malloc", "out of memory");
            *handle = *content;
            handle->kind = kind;
            handles[i] = ~(uintptr_t)handle;
            return FIRST + i;
        }
    dd_die(kind, "handle table full");
}

dd_handle_t *dd_handle_get(uint32_t number, const char *kind)
{
    if (number < FIRST || number >= FIRST + HANDLES || !handles[number - FIRST])
        dd_die(kind, "no such handle, or given back before");
    dd_handle_t *handle = (dd_handle_t *)~handles[number - FIRST];
    if (handle->kind != kind)
        dd_die(kind, handle->kind);
    return handle;
}

void dd_handle_release(uint32_t number, const char *kind)
{
    free(dd_handle_get(number, kind));
    handles[number - FIRST] = 0;
}

int dd_node(const char *class_name, const char *driver_class, const char *name, int parent)
{
    if (dd.node_count == DD_NODES)
        dd_die("dd_node", "too many");
    dd.nodes[dd.node_count] = (dd_node_t){
        .class_name = class_name, .driver_class = driver_class, .name = name, .parent = parent};
    return dd.node_count++;
}

void dd_property(int node, const char *key, CFTypeRef consumed)
{
    dd_node_t *self = &dd.nodes[node];
    if (self->count == DD_PROPERTIES)
        dd_die("dd_property", "too many");
    self->keys[self->count] = key;
    self->values[self->count++] = consumed;
}

void dd_reset(void)
{
    for (int i = 0; i < dd.node_count; i++)
        for (size_t k = 0; k < dd.nodes[i].count; k++)
            CFRelease(dd.nodes[i].values[k]);
    memset(&dd, 0, sizeof dd);
}

CFMutableDictionaryRef IOServiceMatching(const char *name)
{
    CFMutableDictionaryRef matching = dd_dict();
    dd_dict_put(matching, "IOProviderClass", dd_text(name));
    return matching;
}

kern_return_t IOServiceGetMatchingServices(mach_port_t main_port, CFDictionaryRef matching,
                                           io_iterator_t *existing)
{
    dd_handle_t content = {.node = -1};
    Boolean fits =
        CFStringGetCString(CFDictionaryGetValue(matching, CFSTR("IOProviderClass")),
                           content.class_name, sizeof content.class_name, kCFStringEncodingUTF8);
    CFRelease(matching); /* consumed */
    if (main_port || !fits)
        dd_die("IOServiceGetMatchingServices", "argument is not modelled");
    if (dd.fail_matching)
        return KERN_FAILURE;
    /* macOS gives no iterator at all when nothing matches. */
    for (int i = 0; i < dd.node_count; i++)
        if (strcmp(dd.nodes[i].class_name, content.class_name) == 0) {
            *existing = dd_handle_new(dd_io_object, &content);
            return KERN_SUCCESS;
        }
    *existing = 0;
    return KERN_SUCCESS;
}

io_object_t IOIteratorNext(io_iterator_t iterator)
{
    dd_handle_t *self = dd_handle_get(iterator, dd_io_object);
    if (self->node >= 0)
        dd_die("IOIteratorNext", "not an iterator");
    while (self->position < dd.node_count) {
        dd_handle_t found = {.node = self->position++};
        const dd_node_t *node = &dd.nodes[found.node];
        if (self->children ? node->parent == self->parent
                           : strcmp(node->class_name, self->class_name) == 0)
            return dd_handle_new(dd_io_object, &found);
    }
    return 0;
}

kern_return_t IOObjectRelease(io_object_t object)
{
    dd_handle_release(object, dd_io_object);
    return KERN_SUCCESS;
}

static dd_node_t *node_of(io_object_t object)
{
    dd_handle_t *self = dd_handle_get(object, dd_io_object);
    if (self->node < 0)
        dd_die("registry entry", "this is an iterator");
    return &dd.nodes[self->node];
}

kern_return_t IOObjectGetClass(io_object_t object, io_name_t class_name)
{
    snprintf(class_name, sizeof(io_name_t), "%s", node_of(object)->driver_class);
    return KERN_SUCCESS;
}

/*  Clients are not registered services: no class that IOServiceMatching knows has them. */
kern_return_t IORegistryEntryGetChildIterator(io_registry_entry_t entry, const char *plane,
                                              io_iterator_t *iterator)
{
    const dd_handle_t *self = dd_handle_get(entry, dd_io_object);
    dd_handle_t content = {.node = -1, .children = true, .parent = self->node};
    if (self->node < 0 || strcmp(plane, kIOServicePlane) != 0)
        dd_die("IORegistryEntryGetChildIterator", "argument is not modelled");
    *iterator = dd_handle_new(dd_io_object, &content);
    return KERN_SUCCESS;
}

kern_return_t IORegistryEntryGetName(io_registry_entry_t entry, io_name_t name)
{
    snprintf(name, sizeof(io_name_t), "%s", node_of(entry)->name);
    return KERN_SUCCESS;
}

static CFTypeRef property(const dd_node_t *node, CFStringRef key)
{
    for (size_t i = 0; i < node->count; i++)
        if (dd_text_is(key, node->keys[i]))
            return dd_copy(node->values[i]);
    return NULL;
}

CFTypeRef IORegistryEntryCreateCFProperty(io_registry_entry_t entry, CFStringRef key,
                                          CFAllocatorRef allocator, IOOptionBits options)
{
    if (allocator || options)
        dd_die("IORegistryEntryCreateCFProperty", "argument is not modelled");
    return property(node_of(entry), key);
}

CFTypeRef IORegistryEntrySearchCFProperty(io_registry_entry_t entry, const char *plane,
                                          CFStringRef key, CFAllocatorRef allocator,
                                          IOOptionBits options)
{
    if (allocator || strcmp(plane, kIOServicePlane) != 0 ||
        options != (kIORegistryIterateRecursively | kIORegistryIterateParents))
        dd_die("IORegistryEntrySearchCFProperty", "argument is not modelled");
    const dd_node_t *node = node_of(entry);
    for (;;) {
        CFTypeRef value = property(node, key);
        if (value || node->parent < 0)
            return value;
        node = &dd.nodes[node->parent];
    }
}

kern_return_t IOServiceOpen(io_service_t service, task_port_t task, uint32_t type,
                            io_connect_t *connect)
{
    const dd_node_t *node = node_of(service);
    if (strcmp(node->class_name, "AppleSMC") != 0 || task != mach_task_self() || type)
        dd_die("IOServiceOpen", "argument is not modelled");
    if (dd.fail_smc_open)
        return KERN_FAILURE;
    *connect = dd_handle_new(dd_io_connection, &(dd_handle_t){.node = -1});
    return KERN_SUCCESS;
}

kern_return_t IOServiceClose(io_connect_t connect)
{
    dd_handle_release(connect, dd_io_connection);
    return KERN_SUCCESS;
}

/*  Places in the controller's struct, written down apart from the source under test. */
enum {
    P_SIZE = 28,
    P_TYPE = 32,
    P_RESULT = 40,
    P_COMMAND = 42,
    P_INDEX = 44,
    P_VALUE = 48,
    P_LENGTH = 80,
    NOT_FOUND = 132
};

static uint32_t word(const uint8_t *packet, size_t at)
{
    uint32_t value;
    memcpy(&value, packet + at, sizeof value);
    return value;
}

static void put_word(uint8_t *packet, size_t at, uint32_t value)
{
    memcpy(packet + at, &value, sizeof value);
}

static uint32_t code(const char *text)
{
    const uint8_t *t = (const uint8_t *)text;
    return (uint32_t)t[0] << 24 | (uint32_t)t[1] << 16 | (uint32_t)t[2] << 8 | t[3];
}

static const dd_smc_key_t *smc_key(uint32_t name)
{
    for (uint32_t i = 0; i < dd.smc_count; i++)
        if (code(dd.smc[i].key) == name)
            return &dd.smc[i];
    return NULL;
}

static void smc_answer(const uint8_t *in, uint8_t *out)
{
    const dd_smc_key_t *key = smc_key(word(in, 0));
    uint32_t index = word(in, P_INDEX);
    switch (in[P_COMMAND]) {
    case 8:
        if (index < dd.smc_count)
            put_word(out, 0, code(dd.smc[index].key));
        else
            out[P_RESULT] = NOT_FOUND;
        return;
    case 9:
        if (!key) {
            out[P_RESULT] = NOT_FOUND;
            return;
        }
        put_word(out, P_SIZE, key->size);
        put_word(out, P_TYPE, code(key->type));
        return;
    case 5:
        if (!key || word(in, P_SIZE) != key->size)
            out[P_RESULT] = NOT_FOUND;
        else
            memcpy(out + P_VALUE, key->bytes, sizeof key->bytes);
        return;
    default:
        dd_die("AppleSMC", "command is not modelled");
    }
}

kern_return_t IOConnectCallStructMethod(mach_port_t connection, uint32_t selector,
                                        const void *input, size_t input_size, void *output,
                                        size_t *output_size)
{
    dd_handle_get(connection, dd_io_connection);
    if (selector != 2 || input_size != P_LENGTH || *output_size != P_LENGTH)
        dd_die("IOConnectCallStructMethod", "argument is not modelled");
    if (dd.fail_smc_calls)
        return KERN_FAILURE;
    memset(output, 0, P_LENGTH);
    smc_answer(input, output);
    return KERN_SUCCESS;
}

void dd_smc_bytes(const char *key, const char *type, const void *bytes, uint32_t size)
{
    if (dd.smc_count == DD_SMC_KEYS || size > sizeof dd.smc[0].bytes)
        dd_die("dd_smc_bytes", "too many");
    dd_smc_key_t *self = &dd.smc[dd.smc_count++];
    snprintf(self->key, sizeof self->key, "%s", key);
    snprintf(self->type, sizeof self->type, "%s", type);
    memcpy(self->bytes, bytes, size);
    self->size = size;
}

void dd_smc_flt(const char *key, float value)
{
    dd_smc_bytes(key, "flt ", &value, sizeof value);
}
