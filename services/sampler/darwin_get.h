/*  darwin_get.h - typed, bounded getters for what macOS hands out: CoreFoundation values, registry
 *  entries, sysctl, functions of private libraries
 *
 *  CoreFoundation checks nothing: a number asked for its characters is a crash. Everything that
 *  comes out of the registry is therefore looked at through these. "false" means absent or of
 *  another type; *OUT is then untouched.
 *
 *      MLX_CLEANUP(mlx_io_release_p) io_iterator_t found = mlx_io_match("IOAccelerator");
 *      io_object_t entry;
 *      while (found && (entry = IOIteratorNext(found))) { ...; IOObjectRelease(entry); }
 */
#ifndef MLX_SAMPLER_DARWIN_GET_H
#define MLX_SAMPLER_DARWIN_GET_H

#include "proto/error.h"
#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>

/*  Clean-up functions for MLX_CLEANUP: CFRelease of any CF reference, IOObjectRelease of any IOKit
 *  object; both take an empty variable and reset a full one. */
void mlx_cf_release_p(void *ref);
void mlx_io_release_p(io_object_t *object);

/*  VALUE (may be NULL) as a whole number, a truth, a text of a CFString or of a CFData that holds a
 *  C string (device-tree style), or bytes. Text that does not fit is an absent text. */
bool mlx_cf_int(CFTypeRef value, int64_t *out);
bool mlx_cf_bool(CFTypeRef value, bool *out);
bool mlx_cf_text(CFTypeRef value, char *out, size_t size);
bool mlx_cf_bytes(CFTypeRef value, const uint8_t **data, size_t *len);

/*  The entry KEY of a dictionary (may be NULL) when it has the given type, else NULL. Borrowed. */
CFDictionaryRef mlx_cf_dict(CFDictionaryRef dict, CFStringRef key);
CFArrayRef mlx_cf_array(CFDictionaryRef dict, CFStringRef key);
bool mlx_cf_dict_int(CFDictionaryRef dict, CFStringRef key, int64_t *out);

/*  All services of an IOKit class, or 0. Caller owns the iterator and must release it. */
io_iterator_t mlx_io_match(const char *class_name);

/*  The first service of that class with that name in the registry, or 0. Caller must release it. */
io_object_t mlx_io_find(const char *class_name, const char *name);

/*  A property of a registry entry, or NULL; inherited: of the entry or the nearest above it that
 *  has the key. Caller owns it and must release it. */
CFTypeRef mlx_io_copy_property(io_registry_entry_t entry, CFStringRef key);
CFTypeRef mlx_io_copy_inherited(io_registry_entry_t entry, CFStringRef key);

/*  A sysctl by name: an integer of 4 or 8 bytes, a text, or a struct of exactly SIZE bytes. */
bool mlx_sysctl_int(const char *name, int64_t *out);
bool mlx_sysctl_text(const char *name, char *out, size_t size);
bool mlx_sysctl_struct(const char *name, void *out, size_t size);

/*  Fill a struct of function pointers from LIBRARY (a dlopen handle). OFFSET is the pointer's place
 *  in TABLE. -1 with MLX_ERR_NOT_FOUND that names the first missing symbol. */
typedef struct {
    const char *name;
    size_t offset;
} mlx_dl_symbol_t;

int mlx_dl_load(void *library, const mlx_dl_symbol_t *symbols, size_t count, void *table,
                mlx_error_t *err);

#endif
