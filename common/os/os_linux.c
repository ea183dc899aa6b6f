#include "common/os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <link.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/*  WHAT failed with errno NUMBER. */
static int fail(mlx_error_t *err, const char *what, int number)
{
    static const struct {
        int number;
        mlx_code_t code;
    } codes[] = {
        {ENOENT, MLX_ERR_NOT_FOUND},       {ESRCH, MLX_ERR_NOT_FOUND},
        {EOPNOTSUPP, MLX_ERR_UNAVAILABLE}, {ENOSYS, MLX_ERR_UNAVAILABLE},
        {ENOTTY, MLX_ERR_UNAVAILABLE},
    };
    for (size_t i = 0; i < MLX_COUNT(codes); i++)
        if (codes[i].number == number)
            return mlx_error_set(err, codes[i].code, "%s: %s", what, strerror(number));
    return mlx_error_set(err, MLX_ERR_FAILED, "%s: %s", what, strerror(number));
}

int mlx_os_peer(int fd, mlx_os_peer_t *peer, mlx_error_t *err)
{
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return fail(err, "peer of a socket", errno);
    /* The kernel answers for every socket; for one without a peer process it has no user. */
    if (credentials.uid == (uid_t)-1)
        return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "peer of a socket: not a Unix socket");
    *peer = (mlx_os_peer_t){.uid = credentials.uid, .gid = credentials.gid, .pid = credentials.pid};
    return 0;
}

static const struct {
    unsigned long magic;
    const char *type;
    bool remote;
} volumes[] = {
    {EXT4_SUPER_MAGIC, "ext4", false},  {BTRFS_SUPER_MAGIC, "btrfs", false},
    {XFS_SUPER_MAGIC, "xfs", false},    {F2FS_SUPER_MAGIC, "f2fs", false},
    {TMPFS_MAGIC, "tmpfs", false},      {OVERLAYFS_SUPER_MAGIC, "overlay", false},
    {0x2fc12fc1, "zfs", false},      /* zfs_vfsops.h of OpenZFS */
    {0xca451a4e, "bcachefs", false}, /* bcachefs_format.h */
    {MSDOS_SUPER_MAGIC, "vfat", false}, {EXFAT_SUPER_MAGIC, "exfat", false},
    {0x5346544e, "ntfs", false},      /* ntfs3 and ntfs */
    {FUSE_SUPER_MAGIC, "fuse", true}, /* may be anything: trust it as little as a network */
    {NFS_SUPER_MAGIC, "nfs", true},     {CIFS_SUPER_MAGIC, "cifs", true},
    {SMB2_SUPER_MAGIC, "smb2", true},   {CEPH_SUPER_MAGIC, "ceph", true},
    {AFS_SUPER_MAGIC, "afs", true},     {V9FS_MAGIC, "9p", true},
};

/*  Not in the headers of older systems, whose kernels then say that they do not know it. */
struct fs_uuid {
    uint8_t len;
    uint8_t uuid[16];
};
#define GET_FS_UUID _IOR(0x15, 0, struct fs_uuid)

static bool uuid_of(const char *path, char *out, size_t size)
{
    struct fs_uuid answer = {0};
    MLX_CLEANUP(mlx_close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || ioctl(fd, GET_FS_UUID, &answer) != 0 || answer.len == 0 || answer.len > 16)
        return false;
    size_t at = (size_t)snprintf(out, size, "uuid:");
    for (size_t i = 0; i < answer.len; i++)
        at += (size_t)snprintf(out + at, size - at, "%02x", answer.uuid[i]);
    return true;
}

/*  "36 35 98:0 /root /mnt rw - ext3 /dev/sda1 rw": the device's number and, behind the dash, its
 *  name. */
static void mounted_from(dev_t dev, char out[64])
{
    char line[4096];
    MLX_CLEANUP(mlx_fclose_p) FILE *file = fopen("/proc/self/mountinfo", "re");
    out[0] = '\0';
    while (file && fgets(line, sizeof line, file)) {
        unsigned high, low;
        const char *dash = strstr(line, " - ");
        if (dash && sscanf(line, "%*d %*d %u:%u", &high, &low) == 2 && makedev(high, low) == dev &&
            sscanf(dash, " - %*s %63s", out) == 1)
            break;
    }
}

static void identify(const char *path, const struct statfs *fs, dev_t dev, mlx_os_volume_t *volume)
{
    if (uuid_of(path, volume->identity, sizeof volume->identity))
        return;
    char from[64];
    uint32_t id[2];
    memcpy(id, &fs->f_fsid, sizeof id);
    mounted_from(dev, from);
    snprintf(volume->identity, sizeof volume->identity, "fsid:%08x%08x@%s", id[0], id[1], from);
}

int mlx_os_volume(const char *path, mlx_os_volume_t *volume, mlx_error_t *err)
{
    struct stat status;
    struct statfs fs;
    if (stat(path, &status) != 0 || statfs(path, &fs) != 0)
        return fail(err, path, errno);
    /* f_type is signed on some architectures and 32 bits wide in meaning. */
    unsigned long magic = (unsigned long)fs.f_type & 0xffffffffUL;
    *volume = (mlx_os_volume_t){.id = status.st_dev};
    snprintf(volume->type, sizeof volume->type, "0x%lx", magic);
    for (size_t i = 0; i < MLX_COUNT(volumes); i++)
        if (volumes[i].magic == magic) {
            snprintf(volume->type, sizeof volume->type, "%s", volumes[i].type);
            volume->remote = volumes[i].remote;
        }
    identify(path, &fs, status.st_dev, volume);
    return 0;
}

/*  The value of "KEY:  123 kB" in a file of /proc/self. */
static bool read_kilobytes(const char *path, const char *key, uint64_t *bytes)
{
    MLX_CLEANUP(mlx_fclose_p) FILE *file = fopen(path, "re");
    char line[256];
    size_t len = strlen(key);
    while (file && fgets(line, sizeof line, file)) {
        uint64_t kilobytes;
        if (strncmp(line, key, len) == 0 && line[len] == ':' &&
            sscanf(line + len + 1, "%" SCNu64 " kB", &kilobytes) == 1) {
            *bytes = kilobytes * 1024;
            return true;
        }
    }
    return false;
}

int mlx_os_footprint(uint64_t *bytes, mlx_error_t *err)
{
    if (read_kilobytes("/proc/self/smaps_rollup", "Pss", bytes) ||
        read_kilobytes("/proc/self/status", "VmRSS", bytes))
        return 0;
    return mlx_error_set(err, MLX_ERR_FAILED, "/proc/self has no memory figures");
}

/*  Only what is never written: those pages are read from the file again, relocated ones could
 *  not. */
static int drop_pages(struct dl_phdr_info *info, size_t size, void *arg)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)size;
    (void)arg;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t begin = (info->dlpi_addr + segment->p_vaddr) & ~(page - 1);
        uintptr_t end = info->dlpi_addr + segment->p_vaddr + segment->p_filesz;
        if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
            madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
    return 0;
}

void mlx_os_trim(void)
{
    malloc_trim(0);
    dl_iterate_phdr(drop_pages, NULL);
}

char *mlx_os_executable(mlx_error_t *err)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path);
    if (len > 0 && (size_t)len < sizeof path)
        return mlx_strndup(path, (size_t)len);
    fail(err, "/proc/self/exe", len < 0 ? errno : ENAMETOOLONG);
    return NULL;
}

int mlx_os_memory(uint64_t *total, uint64_t *available, mlx_error_t *err)
{
    FILE *file = fopen("/proc/meminfo", "re");
    char line[256];
    *total = *available = 0;
    while (file && fgets(line, sizeof line, file)) {
        unsigned long long kib = 0;
        if (sscanf(line, "MemTotal: %llu kB", &kib) == 1)
            *total = kib * 1024;
        else if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            *available = kib * 1024;
    }
    if (file)
        fclose(file);
    return *total && *available ? 0 : fail(err, "/proc/meminfo", ENOENT);
}

/*  The file that PID runs; after an upgrade " (deleted)" is behind its name. */
static int program_of(pid_t pid, char *path, size_t size)
{
    static const char deleted[] = " (deleted)";
    char link[32];
    snprintf(link, sizeof link, "/proc/%ld/exe", (long)pid);
    ssize_t len = readlink(link, path, size - 1);
    if (len < 0)
        return -1;
    path[len] = '\0';
    size_t tail = sizeof deleted - 1;
    if ((size_t)len > tail && strcmp(path + len - tail, deleted) == 0)
        path[(size_t)len - tail] = '\0';
    return 0;
}

static bool runs_for_us(pid_t pid, const char *program)
{
    char path[PATH_MAX], folder[32];
    struct stat status;
    snprintf(folder, sizeof folder, "/proc/%ld", (long)pid);
    if (stat(folder, &status) || status.st_uid != geteuid() || program_of(pid, path, sizeof path))
        return false;
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, program) == 0;
}

int mlx_os_end_process(pid_t pid, const char *program, mlx_error_t *err)
{
    char what[48];
    snprintf(what, sizeof what, "process %ld", (long)pid);
    if (pid <= 1)
        return mlx_error_set(err, MLX_ERR_USAGE, "%s is not a service", what);
    MLX_CLEANUP(mlx_close_p) int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 && errno != ENOSYS)
        return fail(err, what, errno);
    if (!runs_for_us(pid, program))
        return mlx_error_set(err, MLX_ERR_USAGE, "%s is not a %s process of this user", what,
                             program);
    int rc =
        fd >= 0 ? (int)syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) : kill(pid, SIGTERM);
    return rc == 0 ? 0 : fail(err, what, errno);
}
