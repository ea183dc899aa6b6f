/*  layout.c - the double's structs and prototypes are Apple's
 *
 *  Compiled twice: natively against include/native, and by the cross compiler against Apple's own
 *  headers. A number below that is right for one and wrong for the other is a compile error. On a
 *  Mac it checks include/apple the same way against the SDK. Not checked: the size of
 *  vm_statistics64, which each macOS extends at its end.
 */
#include <IOKit/IOKitLib.h>
#include <libproc.h>
#include <mach/mach.h>
#include <notify.h>
#include <stddef.h>
#include <sys/proc_info.h>
#include <sys/sysctl.h>

#define SIZE(type, size) _Static_assert(sizeof(type) == (size), "size of " #type)
#define AT(type, member, offset)                                                                   \
    _Static_assert(offsetof(type, member) == (offset), "offset of " #member " in " #type)
#define IS(constant, value) _Static_assert((constant) == (value), #constant)

SIZE(integer_t, 4);
SIZE(natural_t, 4);
SIZE(mach_port_t, 4);
SIZE(vm_size_t, 8);
SIZE(io_name_t, 128);
AT(struct vm_statistics64, free_count, 0);
AT(struct vm_statistics64, active_count, 4);
AT(struct vm_statistics64, inactive_count, 8);
AT(struct vm_statistics64, wire_count, 12);
AT(struct vm_statistics64, purgeable_count, 88);
AT(struct vm_statistics64, speculative_count, 92);
AT(struct vm_statistics64, compressor_page_count, 128);
AT(struct vm_statistics64, external_page_count, 136);
AT(struct vm_statistics64, internal_page_count, 140);
IS(HOST_VM_INFO64, 4);
IS(PROCESSOR_CPU_LOAD_INFO, 2);
IS(CPU_STATE_MAX, 4);
IS(CPU_STATE_USER, 0);
IS(CPU_STATE_SYSTEM, 1);
IS(CPU_STATE_IDLE, 2);
IS(CPU_STATE_NICE, 3);
IS(KERN_SUCCESS, 0);

SIZE(struct xsw_usage, 32);
AT(struct xsw_usage, xsu_used, 16);
SIZE(struct loadavg, 24);
AT(struct loadavg, fscale, 16);
IS(CTL_KERN, 1);
IS(KERN_ARGMAX, 8);
IS(KERN_PROCARGS2, 49);

SIZE(struct proc_bsdinfo, 136);
AT(struct proc_bsdinfo, pbi_start_tvsec, 120);
SIZE(struct proc_bsdshortinfo, 64);
AT(struct proc_bsdshortinfo, pbsi_ppid, 4);
AT(struct proc_bsdshortinfo, pbsi_comm, 16);
AT(struct proc_bsdshortinfo, pbsi_ruid, 44);
SIZE(struct proc_fdinfo, 8);
SIZE(struct in_sockinfo, 80);
AT(struct in_sockinfo, insi_lport, 4);
AT(struct in_sockinfo, insi_vflag, 24);
AT(struct in_sockinfo, insi_laddr, 48);
AT(struct tcp_sockinfo, tcpsi_state, 80);
SIZE(struct socket_fdinfo, 792);
AT(struct socket_fdinfo, psi, 24);
AT(struct socket_info, soi_kind, 232);
AT(struct socket_info, soi_proto, 240);
IS(PROC_ALL_PIDS, 1);
IS(PROC_PIDLISTFDS, 1);
IS(PROC_PIDT_SHORTBSDINFO, 13);
IS(PROC_PIDFDSOCKETINFO, 3);
IS(PROX_FDTYPE_SOCKET, 2);
IS(SOCKINFO_TCP, 2);
IS(TSI_S_LISTEN, 1);
IS(INI_IPV4, 1);
IS(INI_IPV6, 2);
IS(NOTIFY_STATUS_OK, 0);
IS(kCFNumberSInt32Type, 3);
IS(kCFNumberSInt64Type, 4);
IS(kCFStringEncodingUTF8, 0x08000100);

/*  Prototypes: an assignment that does not fit is an error. */
const struct {
    mach_port_t (*host_self)(void);
    kern_return_t (*port_deallocate)(ipc_space_t, mach_port_name_t);
    kern_return_t (*page_size)(host_t, vm_size_t *);
    kern_return_t (*statistics)(host_t, host_flavor_t, host_info64_t, mach_msg_type_number_t *);
    kern_return_t (*processors)(host_t, processor_flavor_t, natural_t *, processor_info_array_t *,
                                mach_msg_type_number_t *);
    kern_return_t (*deallocate)(vm_map_t, vm_address_t, vm_size_t);
    int (*control)(int *, unsigned int, void *, size_t *, void *, size_t);
    int (*control_by_name)(const char *, void *, size_t *, void *, size_t);
    int (*list_pids)(uint32_t, uint32_t, void *, int);
    int (*pid_info)(int, int, uint64_t, void *, int);
    int (*pid_fd_info)(int, int, int, void *, int);
    kern_return_t (*struct_method)(mach_port_t, uint32_t, const void *, size_t, void *, size_t *);
} mlx_layout_prototypes = {
    mach_host_self,      mach_port_deallocate, host_page_size, host_statistics64,
    host_processor_info, vm_deallocate,        sysctl,         sysctlbyname,
    proc_listpids,       proc_pidinfo,         proc_pidfdinfo, IOConnectCallStructMethod,
};
