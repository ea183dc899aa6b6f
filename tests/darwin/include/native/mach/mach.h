/*  mach.h - the few mach declarations the suite uses, for compiling macOS sources natively
 *
 *  Only on the include path of the Darwin double. layout.c holds sizes and offsets against Apple's
 *  own headers, which a cross compiler brings.
 */
#ifndef MLX_TESTS_MACH_H
#define MLX_TESTS_MACH_H

#include <stddef.h>
#include <stdint.h>

typedef int kern_return_t;
typedef int integer_t;
typedef unsigned int natural_t;
typedef unsigned int boolean_t;
typedef natural_t mach_port_t;
typedef mach_port_t task_port_t;
typedef mach_port_t task_t;
typedef mach_port_t ipc_space_t;
typedef mach_port_t mach_port_name_t;
typedef mach_port_t vm_map_t;
typedef mach_port_t host_t;
typedef natural_t mach_msg_type_number_t;
typedef uintptr_t vm_address_t;
typedef uintptr_t vm_size_t;
typedef integer_t host_flavor_t;
typedef integer_t processor_flavor_t;
typedef integer_t *host_info64_t;
typedef integer_t *processor_info_array_t;

#define KERN_SUCCESS 0
#define KERN_FAILURE 5

#define HOST_VM_INFO64 4
#define PROCESSOR_CPU_LOAD_INFO 2

#define CPU_STATE_MAX 4
#define CPU_STATE_USER 0
#define CPU_STATE_SYSTEM 1
#define CPU_STATE_IDLE 2
#define CPU_STATE_NICE 3

/*  As of macOS 13; later ones append. */
struct vm_statistics64 {
    natural_t free_count;
    natural_t active_count;
    natural_t inactive_count;
    natural_t wire_count;
    uint64_t zero_fill_count;
    uint64_t reactivations;
    uint64_t pageins;
    uint64_t pageouts;
    uint64_t faults;
    uint64_t cow_faults;
    uint64_t lookups;
    uint64_t hits;
    uint64_t purges;
    natural_t purgeable_count;
    natural_t speculative_count;
    uint64_t decompressions;
    uint64_t compressions;
    uint64_t swapins;
    uint64_t swapouts;
    natural_t compressor_page_count;
    natural_t throttled_count;
    natural_t external_page_count;
    natural_t internal_page_count;
    uint64_t total_uncompressed_pages_in_compressor;
} __attribute__((aligned(8)));
typedef struct vm_statistics64 vm_statistics64_data_t;

#define HOST_VM_INFO64_COUNT                                                                       \
    ((mach_msg_type_number_t)(sizeof(vm_statistics64_data_t) / sizeof(integer_t)))

extern mach_port_t mach_task_self_;
#define mach_task_self() mach_task_self_

mach_port_t mach_host_self(void);
kern_return_t mach_port_deallocate(ipc_space_t task, mach_port_name_t name);
kern_return_t host_page_size(host_t host, vm_size_t *size);
kern_return_t host_statistics64(host_t host, host_flavor_t flavor, host_info64_t info,
                                mach_msg_type_number_t *count);
kern_return_t host_processor_info(host_t host, processor_flavor_t flavor, natural_t *processors,
                                  processor_info_array_t *info, mach_msg_type_number_t *count);
kern_return_t vm_deallocate(vm_map_t task, vm_address_t address, vm_size_t size);

#endif
