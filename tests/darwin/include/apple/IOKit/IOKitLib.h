/*  IOKitLib.h - declarations of the few IOKit calls the suite makes
 *
 *  For compiling the macOS sources where there is no SDK; never on a Mac's include path. Source:
 *  Apple's IOKitLib reference. Declarations only.
 */
#ifndef MLX_TESTS_IOKITLIB_H
#define MLX_TESTS_IOKITLIB_H

#include <CoreFoundation/CoreFoundation.h>
#include <mach/mach.h>
#include <stddef.h>

typedef mach_port_t io_object_t;
typedef io_object_t io_connect_t;
typedef io_object_t io_iterator_t;
typedef io_object_t io_registry_entry_t;
typedef io_object_t io_service_t;
typedef char io_name_t[128];
typedef UInt32 IOOptionBits;

#define kIOServicePlane "IOService"
enum {
    kIORegistryIterateRecursively = 0x00000001,
    kIORegistryIterateParents = 0x00000002,
};

#ifdef __APPLE__
#define MLX_SINCE_MACOS_12 __attribute__((availability(macos, introduced = 12.0)))
#else
#define MLX_SINCE_MACOS_12
#endif
extern const mach_port_t kIOMainPortDefault MLX_SINCE_MACOS_12;

CFMutableDictionaryRef IOServiceMatching(const char *name);

/*  Consumes one reference of MATCHING, whatever it returns. */
kern_return_t IOServiceGetMatchingServices(mach_port_t main_port, CFDictionaryRef matching,
                                           io_iterator_t *existing);
io_object_t IOIteratorNext(io_iterator_t iterator);
kern_return_t IOObjectRelease(io_object_t object);
kern_return_t IOObjectGetClass(io_object_t object, io_name_t class_name);

kern_return_t IORegistryEntryGetChildIterator(io_registry_entry_t entry, const char *plane,
                                              io_iterator_t *iterator);
kern_return_t IORegistryEntryGetName(io_registry_entry_t entry, io_name_t name);
CFTypeRef IORegistryEntryCreateCFProperty(io_registry_entry_t entry, CFStringRef key,
                                          CFAllocatorRef allocator, IOOptionBits options);
CFTypeRef IORegistryEntrySearchCFProperty(io_registry_entry_t entry, const char *plane,
                                          CFStringRef key, CFAllocatorRef allocator,
                                          IOOptionBits options);

kern_return_t IOServiceOpen(io_service_t service, task_port_t task, uint32_t type,
                            io_connect_t *connect);
kern_return_t IOServiceClose(io_connect_t connect);
kern_return_t IOConnectCallStructMethod(mach_port_t connection, uint32_t selector,
                                        const void *input, size_t input_size, void *output,
                                        size_t *output_size);

#endif
