#include "common/os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <libproc.h>
#include <limits.h>
#include <mach-o/dyld.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/attr.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/ucred.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    PATH_BYTES_MAX = 64 * 1024
};

/*  WHAT failed with the present errno. */
static int fail(mlx_error_t *err, const char *what)
{
    static const struct {
        int number;
        mlx_code_t code;
    } codes[] = {
        {ENOENT, MLX_ERR_NOT_FOUND},    {ESRCH, MLX_ERR_NOT_FOUND},
        {ENOTSUP, MLX_ERR_UNAVAILABLE}, {EOPNOTSUPP, MLX_ERR_UNAVAILABLE},
        {ENOSYS, MLX_ERR_UNAVAILABLE},
    };
    int number = errno;
    for (size_t i = 0; i < MLX_COUNT(codes); i++)
        if (codes[i].number == number)
            return mlx_error_set(err, codes[i].code, "%s: %s", what, strerror(number));
    return mlx_error_set(err, MLX_ERR_FAILED, "%s: %s", what, strerror(number));
}

int mlx_os_peer(int fd, mlx_os_peer_t *peer, mlx_error_t *err)
{
    struct xucred credentials = {0};
    socklen_t size = sizeof credentials;
    if (getsockopt(fd, SOL_LOCAL, LOCAL_PEERCRED, &credentials, &size) != 0)
        return fail(err, "peer of a socket");
    if (credentials.cr_version != XUCRED_VERSION || credentials.cr_ngroups < 1)
        return mlx_error_set(err, MLX_ERR_FAILED, "peer of a socket: unknown credentials");
    pid_t pid = 0;
    size = sizeof pid;
    if (getsockopt(fd, SOL_LOCAL, LOCAL_PEERPID, &pid, &size) != 0)
        pid = 0;
    *peer = (mlx_os_peer_t){.uid = credentials.cr_uid, .gid = credentials.cr_groups[0], .pid = pid};
    return 0;
}

static void identify(const char *path, const struct statfs *fs, mlx_os_volume_t *volume)
{
    struct attrlist wanted = {
        .bitmapcount = ATTR_BIT_MAP_COUNT,
        .volattr = ATTR_VOL_INFO | ATTR_VOL_UUID,
    };
    struct __attribute__((packed, aligned(4))) {
        uint32_t length;
        unsigned char uuid[16];
    } answer = {0};
    if (getattrlist(path, &wanted, &answer, sizeof answer, 0) != 0 ||
        answer.length != sizeof answer) {
        snprintf(volume->identity, sizeof volume->identity, "fsid:%08x%08x@%.64s",
                 (unsigned)fs->f_fsid.val[0], (unsigned)fs->f_fsid.val[1], fs->f_mntfromname);
        return;
    }
    size_t at = (size_t)snprintf(volume->identity, sizeof volume->identity, "uuid:");
    for (size_t i = 0; i < sizeof answer.uuid; i++)
        at += (size_t)snprintf(volume->identity + at, sizeof volume->identity - at, "%02x",
                               answer.uuid[i]);
}

int mlx_os_volume(const char *path, mlx_os_volume_t *volume, mlx_error_t *err)
{
    struct stat status;
    struct statfs fs;
    if (stat(path, &status) != 0 || statfs(path, &fs) != 0)
        return fail(err, path);
    *volume =
        (mlx_os_volume_t){.id = (uint64_t)status.st_dev, .remote = (fs.f_flags & MNT_LOCAL) == 0};
    snprintf(volume->type, sizeof volume->type, "%s", fs.f_fstypename);
    identify(path, &fs, volume);
    return 0;
}

int mlx_os_footprint(uint64_t *bytes, mlx_error_t *err)
{
    struct rusage_info_v4 usage;
    /* Declared for a pointer to any of its versions. */
    if (proc_pid_rusage(getpid(), RUSAGE_INFO_V4, (rusage_info_t *)&usage) != 0)
        return fail(err, "proc_pid_rusage");
    *bytes = usage.ri_phys_footprint;
    return 0;
}

void mlx_os_trim(void)
{
}

char *mlx_os_executable(mlx_error_t *err)
{
    uint32_t size = 0;
    _NSGetExecutablePath(NULL, &size); /* sets the size that is needed */
    if (size == 0 || size > PATH_BYTES_MAX) {
        mlx_error_set(err, MLX_ERR_FAILED, "path of the executable: %u bytes", (unsigned)size);
        return NULL;
    }
    MLX_CLEANUP(mlx_free_p) char *raw = mlx_alloc(size, 1);
    if (_NSGetExecutablePath(raw, &size) != 0) {
        mlx_error_set(err, MLX_ERR_FAILED, "cannot determine the path of the executable");
        return NULL;
    }
    char *path = realpath(raw, NULL);
    if (!path)
        fail(err, raw);
    return path;
}

int mlx_os_end_process(pid_t pid, const char *program, mlx_error_t *err)
{
    char what[48], path[PROC_PIDPATHINFO_MAXSIZE];
    struct proc_bsdshortinfo info;
    snprintf(what, sizeof what, "process %ld", (long)pid);
    if (pid <= 1)
        return mlx_error_set(err, MLX_ERR_USAGE, "%s is not a service", what);
    int len = proc_pidpath(pid, path, sizeof path - 1);
    if (len <= 0)
        return fail(err, what);
    path[len] = '\0';
    const char *slash = strrchr(path, '/');
    if (strcmp(slash ? slash + 1 : path, program) != 0 ||
        proc_pidinfo(pid, PROC_PIDT_SHORTBSDINFO, 0, &info, sizeof info) < (int)sizeof info ||
        info.pbsi_uid != geteuid())
        return mlx_error_set(err, MLX_ERR_USAGE, "%s is not a %s process of this user", what,
                             program);
    return kill(pid, SIGTERM) == 0 ? 0 : fail(err, what);
}

static uint64_t read_count(const char *name)
{
    int64_t whole = 0;
    size_t size = sizeof whole;
    if (sysctlbyname(name, &whole, &size, NULL, 0) != 0 || whole < 0)
        return 0;
    return (uint64_t)whole;
}

int mlx_os_memory(uint64_t *total, uint64_t *available, mlx_error_t *err)
{
    *total = read_count("hw.memsize");
    *available = (read_count("vm.page_free_count") + read_count("vm.page_purgeable_count") +
                  read_count("vm.page_pageable_external_count")) *
                 (uint64_t)getpagesize();
    return *total && *available ? 0 : fail(err, "hw.memsize");
}
