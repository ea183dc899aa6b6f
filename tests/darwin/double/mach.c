/*  mach, sysctl, notify(3), libproc and dlopen of the double */
#include "dd.h"

#include <errno.h>
#include <libproc.h>
#include <mach/mach.h>
#include <notify.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>

mach_port_t mach_task_self_ = 0x103;

mach_port_t mach_host_self(void)
{
    return dd_handle_new(dd_port, &(dd_handle_t){.node = -1});
}

kern_return_t mach_port_deallocate(ipc_space_t task, mach_port_name_t name)
{
    if (task != mach_task_self())
        dd_die("mach_port_deallocate", "another task");
    dd_handle_release(name, dd_port);
    return KERN_SUCCESS;
}

kern_return_t host_page_size(host_t host, vm_size_t *size)
{
    dd_handle_get(host, dd_port);
    *size = dd.page_size;
    return KERN_SUCCESS;
}

/*  As xnu: as many words as the caller has room for and the kernel knows. */
kern_return_t host_statistics64(host_t host, host_flavor_t flavor, host_info64_t info,
                                mach_msg_type_number_t *count)
{
    dd_handle_get(host, dd_port);
    if (flavor != HOST_VM_INFO64)
        dd_die("host_statistics64", "flavor is not modelled");
    if (dd.fail_vm)
        return KERN_FAILURE;
    if (*count > dd.vm_words)
        *count = dd.vm_words;
    memcpy(info, dd.vm, *count * sizeof(uint32_t));
    return KERN_SUCCESS;
}

kern_return_t host_processor_info(host_t host, processor_flavor_t flavor, natural_t *processors,
                                  processor_info_array_t *info, mach_msg_type_number_t *count)
{
    dd_handle_get(host, dd_port);
    if (flavor != PROCESSOR_CPU_LOAD_INFO)
        dd_die("host_processor_info", "flavor is not modelled");
    if (dd.fail_processors)
        return KERN_FAILURE;
    *processors = dd.core_count;
    *count = dd.core_count * CPU_STATE_MAX;
    *info = malloc(*count * sizeof(integer_t) + 1);
    if (!*info)
        dd_die("malloc", "out of memory");
    memcpy(*info, dd.ticks, *count * sizeof(integer_t));
    return KERN_SUCCESS;
}

kern_return_t vm_deallocate(vm_map_t task, vm_address_t address, vm_size_t size)
{
    if (task != mach_task_self() || size != dd.core_count * CPU_STATE_MAX * sizeof(integer_t))
        dd_die("vm_deallocate", "another task or another size than was handed out");
    free((void *)address);
    return KERN_SUCCESS;
}

void dd_sysctl_remove(const char *name)
{
    for (int i = 0; i < dd.sysctl_count; i++)
        if (strcmp(dd.sysctls[i].name, name) == 0)
            dd.sysctls[i].name = "";
}

void dd_sysctl_bytes(const char *name, const void *bytes, size_t size)
{
    if (dd.sysctl_count == DD_SYSCTLS || size > sizeof dd.sysctls[0].bytes)
        dd_die("dd_sysctl", "too many");
    dd_sysctl_remove(name);
    dd.sysctls[dd.sysctl_count].name = name;
    memcpy(dd.sysctls[dd.sysctl_count].bytes, bytes, size);
    dd.sysctls[dd.sysctl_count++].size = size;
}

void dd_sysctl_int(const char *name, int64_t value, size_t width)
{
    dd_sysctl_bytes(name, &value, width);
}

void dd_sysctl_text(const char *name, const char *text)
{
    dd_sysctl_bytes(name, text, strlen(text) + 1);
}

static int give(const void *bytes, size_t size, void *old, size_t *old_size)
{
    if (*old_size < size) {
        errno = ENOMEM;
        return -1;
    }
    memcpy(old, bytes, size);
    *old_size = size;
    return 0;
}

int sysctlbyname(const char *name, void *old, size_t *old_size, void *fresh, size_t fresh_size)
{
    if (fresh || fresh_size)
        dd_die("sysctlbyname", "nothing is set by a sampler");
    for (int i = 0; i < dd.sysctl_count; i++)
        if (strcmp(dd.sysctls[i].name, name) == 0)
            return give(dd.sysctls[i].bytes, dd.sysctls[i].size, old, old_size);
    errno = ENOENT;
    return -1;
}

static dd_process_t *process(int pid)
{
    for (int i = 0; i < dd.process_count; i++)
        if (dd.processes[i].pid == pid)
            return &dd.processes[i];
    errno = ESRCH;
    return NULL;
}

int sysctl(int *mib, unsigned int levels, void *old, size_t *old_size, void *fresh,
           size_t fresh_size)
{
    int argmax = 1 << 20;
    if (fresh || fresh_size || levels < 2 || mib[0] != CTL_KERN)
        dd_die("sysctl", "argument is not modelled");
    if (levels == 2 && mib[1] == KERN_ARGMAX)
        return give(&argmax, sizeof argmax, old, old_size);
    if (levels != 3 || mib[1] != KERN_PROCARGS2)
        dd_die("sysctl", "name is not modelled");
    dd_process_t *self = process(mib[2]);
    if (!self || !self->area) {
        errno = EINVAL; /* another user's */
        return -1;
    }
    return give(self->area, self->area_len, old, old_size);
}

uint32_t notify_register_check(const char *name, int *out_token)
{
    if (strcmp(name, "com.apple.system.thermalpressurelevel") != 0)
        dd_die("notify_register_check", name);
    if (dd.fail_thermal)
        return 1;
    *out_token = (int)dd_handle_new(dd_token, &(dd_handle_t){.node = -1});
    return NOTIFY_STATUS_OK;
}

uint32_t notify_get_state(int token, uint64_t *state64)
{
    dd_handle_get((uint32_t)token, dd_token);
    *state64 = dd.thermal_level;
    return NOTIFY_STATUS_OK;
}

uint32_t notify_cancel(int token)
{
    dd_handle_release((uint32_t)token, dd_token);
    return NOTIFY_STATUS_OK;
}

int proc_listpids(uint32_t type, uint32_t type_info, void *buffer, int size)
{
    if (type != PROC_ALL_PIDS || type_info)
        dd_die("proc_listpids", "argument is not modelled");
    int need = dd.process_count * (int)sizeof(pid_t);
    if (!buffer)
        return need ? need : (int)sizeof(pid_t);
    pid_t *pids = buffer;
    int count = 0;
    for (; count < dd.process_count && (count + 1) * (int)sizeof(pid_t) <= size; count++)
        pids[count] = dd.processes[count].pid;
    return count * (int)sizeof(pid_t);
}

static int give_descriptors(const dd_process_t *self, void *buffer, int size)
{
    /* One descriptor that is not a socket comes first. */
    int need = (int)((self->socket_count + 1) * sizeof(struct proc_fdinfo));
    if (self->error || (buffer && self->vanishes)) {
        errno = self->error ? self->error : ESRCH;
        return 0;
    }
    if (!buffer)
        return need;
    if (size < need)
        dd_die("proc_pidinfo", "cut lists are not modelled");
    struct proc_fdinfo *list = buffer;
    list[0] = (struct proc_fdinfo){.proc_fd = 0, .proc_fdtype = 1};
    for (size_t i = 0; i < self->socket_count; i++)
        list[i + 1] =
            (struct proc_fdinfo){.proc_fd = 3 + (int)i, .proc_fdtype = PROX_FDTYPE_SOCKET};
    return need;
}

int proc_pidinfo(int pid, int flavor, uint64_t arg, void *buffer, int size)
{
    dd_process_t *self = process(pid);
    if (arg)
        dd_die("proc_pidinfo", "argument is not modelled");
    if (!self)
        return 0;
    if (flavor == PROC_PIDLISTFDS)
        return give_descriptors(self, buffer, size);
    if (flavor == PROC_PIDTBSDINFO && size == (int)sizeof(struct proc_bsdinfo)) {
        struct proc_bsdinfo full = {.pbi_start_tvsec = 1000, .pbi_start_tvusec = (uint64_t)pid};
        memcpy(buffer, &full, sizeof full);
        return (int)sizeof full;
    }
    if (flavor != PROC_PIDT_SHORTBSDINFO || size != (int)sizeof(struct proc_bsdshortinfo))
        dd_die("proc_pidinfo", "flavor or size is not modelled");
    struct proc_bsdshortinfo info = {.pbsi_pid = (uint32_t)pid,
                                     .pbsi_ppid = (uint32_t)self->ppid,
                                     .pbsi_uid = 0,
                                     .pbsi_ruid = self->uid};
    /* Not terminated when it is as long as its place. */
    memcpy(info.pbsi_comm, self->name, strnlen(self->name, sizeof info.pbsi_comm));
    memcpy(buffer, &info, sizeof info);
    return (int)sizeof info;
}

int proc_pidfdinfo(int pid, int fd, int flavor, void *buffer, int size)
{
    dd_process_t *self = process(pid);
    if (flavor != PROC_PIDFDSOCKETINFO || size != (int)sizeof(struct socket_fdinfo))
        dd_die("proc_pidfdinfo", "flavor or size is not modelled");
    size_t index = (size_t)(fd - 3);
    if (!self || fd < 3 || index >= self->socket_count) {
        errno = EBADF;
        return 0;
    }
    struct socket_fdinfo info = {.psi.soi_kind = SOCKINFO_TCP};
    struct tcp_sockinfo *tcp = &info.psi.soi_proto.pri_tcp;
    int family = self->sockets[index].family;
    tcp->tcpsi_state = self->sockets[index].listens ? TSI_S_LISTEN : 4;
    tcp->tcpsi_ini.insi_gencnt = (uint64_t)pid << 8 | index;
    tcp->tcpsi_ini.insi_lport = htons(self->sockets[index].port);
    tcp->tcpsi_ini.insi_vflag = family == 4   ? INI_IPV4
                                : family == 6 ? INI_IPV6
                                              : INI_IPV4 | INI_IPV6;
    if (family == 4)
        memcpy(&tcp->tcpsi_ini.insi_laddr.ina_46.i46a_addr4, self->sockets[index].address, 4);
    else
        memcpy(&tcp->tcpsi_ini.insi_laddr.ina_6, self->sockets[index].address, 16);
    memcpy(buffer, &info, sizeof info);
    return (int)sizeof info;
}
