#include "darwin_get.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/sysctl.h>

void mlx_cf_release_p(void *ref)
{
    CFTypeRef *value = ref;
    if (*value)
        CFRelease(*value);
    *value = NULL;
}

void mlx_io_release_p(io_object_t *object)
{
    if (*object)
        IOObjectRelease(*object);
    *object = 0;
}

static bool is_a(CFTypeRef value, CFTypeID type)
{
    return value && CFGetTypeID(value) == type;
}

bool mlx_cf_int(CFTypeRef value, int64_t *out)
{
    if (!is_a(value, CFNumberGetTypeID()))
        return false;
    int64_t number;
    if (!CFNumberGetValue(value, kCFNumberSInt64Type, &number))
        return false;
    *out = number;
    return true;
}

bool mlx_cf_bool(CFTypeRef value, bool *out)
{
    if (!is_a(value, CFBooleanGetTypeID()))
        return false;
    *out = CFBooleanGetValue(value);
    return true;
}

bool mlx_cf_text(CFTypeRef value, char *out, size_t size)
{
    if (is_a(value, CFStringGetTypeID()))
        return CFStringGetCString(value, out, (CFIndex)size, kCFStringEncodingUTF8);
    const uint8_t *data;
    size_t len;
    if (!mlx_cf_bytes(value, &data, &len))
        return false;
    len = strnlen((const char *)data, len);
    if (len == 0 || len >= size)
        return false;
    memcpy(out, data, len);
    out[len] = '\0';
    return true;
}

bool mlx_cf_bytes(CFTypeRef value, const uint8_t **data, size_t *len)
{
    if (!is_a(value, CFDataGetTypeID()))
        return false;
    CFIndex length = CFDataGetLength(value);
    if (length <= 0)
        return false;
    *data = CFDataGetBytePtr(value);
    *len = (size_t)length;
    return true;
}

static CFTypeRef typed_entry(CFDictionaryRef dict, CFStringRef key, CFTypeID type)
{
    CFTypeRef value = dict ? CFDictionaryGetValue(dict, key) : NULL;
    return is_a(value, type) ? value : NULL;
}

CFDictionaryRef mlx_cf_dict(CFDictionaryRef dict, CFStringRef key)
{
    return typed_entry(dict, key, CFDictionaryGetTypeID());
}

CFArrayRef mlx_cf_array(CFDictionaryRef dict, CFStringRef key)
{
    return typed_entry(dict, key, CFArrayGetTypeID());
}

bool mlx_cf_dict_int(CFDictionaryRef dict, CFStringRef key, int64_t *out)
{
    return mlx_cf_int(typed_entry(dict, key, CFNumberGetTypeID()), out);
}

io_iterator_t mlx_io_match(const char *class_name)
{
    CFMutableDictionaryRef matching = IOServiceMatching(class_name);
    if (!matching)
        return 0;
    io_iterator_t found = 0;
    /* Takes the dictionary over, also when it fails. */
    if (IOServiceGetMatchingServices(kIOMainPortDefault, matching, &found) != KERN_SUCCESS)
        return 0;
    return found;
}

io_object_t mlx_io_find(const char *class_name, const char *name)
{
    MLX_CLEANUP(mlx_io_release_p) io_iterator_t found = mlx_io_match(class_name);
    io_object_t entry;
    while (found && (entry = IOIteratorNext(found))) {
        io_name_t entry_name = "";
        if (IORegistryEntryGetName(entry, entry_name) == KERN_SUCCESS &&
            strncmp(entry_name, name, sizeof entry_name) == 0)
            return entry;
        IOObjectRelease(entry);
    }
    return 0;
}

CFTypeRef mlx_io_copy_property(io_registry_entry_t entry, CFStringRef key)
{
    return IORegistryEntryCreateCFProperty(entry, key, kCFAllocatorDefault, 0);
}

CFTypeRef mlx_io_copy_inherited(io_registry_entry_t entry, CFStringRef key)
{
    return IORegistryEntrySearchCFProperty(entry, kIOServicePlane, key, kCFAllocatorDefault,
                                           kIORegistryIterateRecursively |
                                               kIORegistryIterateParents);
}

bool mlx_sysctl_struct(const char *name, void *out, size_t size)
{
    MLX_CLEANUP(mlx_free_p) void *copy = mlx_alloc(1, size);
    size_t got = size;
    if (sysctlbyname(name, copy, &got, NULL, 0) != 0 || got != size)
        return false;
    memcpy(out, copy, size);
    return true;
}

/*  Asked with room for 8 bytes: with less, the kernel may clip a large value to what fits. */
bool mlx_sysctl_int(const char *name, int64_t *out)
{
    int64_t whole = 0;
    int32_t half = 0;
    size_t got = sizeof whole;
    if (sysctlbyname(name, &whole, &got, NULL, 0) != 0)
        return false;
    if (got == sizeof half) {
        memcpy(&half, &whole, sizeof half);
        whole = half;
    } else if (got != sizeof whole) {
        return false;
    }
    *out = whole;
    return true;
}

bool mlx_sysctl_text(const char *name, char *out, size_t size)
{
    size_t got = size;
    if (sysctlbyname(name, out, &got, NULL, 0) != 0 || got == 0 || got > size) {
        out[0] = '\0';
        return false;
    }
    out[got - 1] = '\0';
    return out[0] != '\0';
}

int mlx_dl_load(void *library, const mlx_dl_symbol_t *symbols, size_t count, void *table,
                mlx_error_t *err)
{
    for (size_t i = 0; i < count; i++) {
        void *symbol = dlsym(library, symbols[i].name);
        if (!symbol)
            return mlx_error_set(err, MLX_ERR_NOT_FOUND, "this macOS has no %s", symbols[i].name);
        memcpy((char *)table + symbols[i].offset, &symbol, sizeof symbol);
    }
    return 0;
}
