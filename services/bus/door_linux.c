#include "door.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/bus/command.h"
#include "common/os/os.h"

enum {
    FILES_MAX = 65536, /* a larger limit is taken for this one */
    RESERVE_MIN = 12,
    RESERVE_MAX = 64,
    SWEEP_US = 20000, /* look at most this often which guests have left */
};

typedef enum {
    OUTSIDE, /* TCP */
    PUBLISHER,
    SUBSCRIBER,
    COMMANDER,
    KINDS
} kind_t;

/*  A connection that was let in. It is libzmq's from then on, which does not say when it closes
 *  one: the descriptor tells, by leading to another file or none. */
typedef struct {
    bool used;
    kind_t kind;
    uint64_t peer; /* process, or address of TCP */
    ino_t inode;
} guest_t;

/*  accept(2) has no argument for a context: what stands in for it can only know globals. */
static struct {
    pthread_mutex_t lock;
    guest_t *guests; /* by descriptor; NULL: nobody watches */
    size_t ceiling;  /* descriptors from here on are the reserve */
    size_t budget;   /* what connections may use */
    int64_t swept_us;
    int64_t refused;
} door = {.lock = PTHREAD_MUTEX_INITIALIZER};

void mlx_door_unwatch(void)
{
    pthread_mutex_lock(&door.lock);
    free(door.guests);
    door.guests = NULL;
    pthread_mutex_unlock(&door.lock);
}

void mlx_door_watch(void)
{
    struct rlimit limit = {.rlim_cur = FILES_MAX};
    getrlimit(RLIMIT_NOFILE, &limit);
    size_t files = limit.rlim_cur < FILES_MAX ? (size_t)limit.rlim_cur : FILES_MAX;
    size_t reserve = files / 8;
    reserve = reserve < RESERVE_MIN ? RESERVE_MIN : reserve > RESERVE_MAX ? RESERVE_MAX : reserve;
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the lowest that is free */
    size_t used = next >= 0 ? (size_t)next : files;
    mlx_close_p(&next);
    mlx_door_unwatch();
    pthread_mutex_lock(&door.lock);
    door.ceiling = files > reserve ? files - reserve : 0;
    door.budget = door.ceiling > used ? door.ceiling - used : 0;
    door.guests = mlx_alloc(door.ceiling, sizeof *door.guests);
    pthread_mutex_unlock(&door.lock);
}

int64_t mlx_door_refused(void)
{
    pthread_mutex_lock(&door.lock);
    int64_t refused = door.refused;
    pthread_mutex_unlock(&door.lock);
    return refused;
}

static kind_t local_kind(const char *path)
{
    return mlx_ends_with(path, MLX_SOCKET_PUBLISH)     ? PUBLISHER
           : mlx_ends_with(path, MLX_SOCKET_SUBSCRIBE) ? SUBSCRIBER
                                                       : COMMANDER;
}

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
    struct sockaddr_storage storage;
} address_t;

static uint64_t outside_peer(int fd)
{
    address_t from = {0};
    socklen_t len = sizeof from;
    if (getpeername(fd, &from.any, &len) == 0 && from.any.sa_family == AF_INET)
        return from.v4.sin_addr.s_addr;
    uint64_t network; /* who has an IPv6 address has all of its /64 */
    memcpy(&network, &from.v6.sin6_addr, sizeof network);
    return network;
}

static guest_t look_at(int fd)
{
    address_t here = {0};
    socklen_t len = sizeof here - 1;
    struct stat status = {0};
    mlx_os_peer_t peer = {0};
    fstat(fd, &status);
    guest_t guest = {.used = true, .inode = status.st_ino};
    if (getsockname(fd, &here.any, &len) == 0 && here.any.sa_family == AF_UNIX) {
        guest.kind = local_kind(here.local.sun_path);
        mlx_os_peer(fd, &peer, NULL);
        guest.peer = (uint64_t)peer.pid;
    } else {
        guest.kind = OUTSIDE;
        guest.peer = outside_peer(fd);
    }
    return guest;
}

/*  Strike off who has left. */
static void sweep(void)
{
    int64_t now = mlx_now_us();
    if (now - door.swept_us < SWEEP_US)
        return;
    door.swept_us = now;
    for (size_t fd = 0; fd < door.ceiling; fd++) {
        struct stat status;
        if (door.guests[fd].used &&
            (fstat((int)fd, &status) || status.st_ino != door.guests[fd].inode))
            door.guests[fd].used = false;
    }
}

static bool has_room(const guest_t *guest)
{
    bool outside = guest->kind == OUTSIDE;
    size_t kind = 0, peer = 0;
    for (size_t fd = 0; fd < door.ceiling; fd++) {
        const guest_t *other = &door.guests[fd];
        if (!other->used)
            continue;
        kind += other->kind == guest->kind;
        peer += outside == (other->kind == OUTSIDE) && other->peer == guest->peer;
    }
    size_t kind_max = outside ? door.budget / 4 : door.budget * 2 / 5;
    size_t peer_max = outside ? door.budget / 8 : door.budget / 2;
    return kind < kind_max && peer < peer_max;
}

/*  May the connection FD stay? Notes it if so. */
static bool welcome(int fd)
{
    if (!door.guests)
        return true;
    if ((size_t)fd >= door.ceiling)
        return false;
    door.guests[fd].used = false; /* whoever had this descriptor has left */
    guest_t guest = look_at(fd);
    bool room = has_room(&guest);
    if (!room) {
        sweep();
        room = has_room(&guest);
    }
    if (room)
        door.guests[fd] = guest;
    return room;
}

#ifdef __linux__
/*  What libzmq calls. Under other names here, because the declarations of the system differ between
 *  its libraries. */
int mlx_door_accept4(int listener, void *address, void *len, int flags) __asm__("accept4");
int mlx_door_accept(int listener, void *address, void *len) __asm__("accept");

__attribute__((used, visibility("default"))) int mlx_door_accept4(int listener, void *address,
                                                                  void *len, int flags)
{
    int fd = (int)syscall(SYS_accept4, listener, address, len, flags);
    if (fd < 0)
        return -1;
    pthread_mutex_lock(&door.lock);
    bool stays = welcome(fd);
    door.refused += !stays;
    pthread_mutex_unlock(&door.lock);
    if (stays)
        return fd;
    close(fd);
    errno = ECONNABORTED;
    return -1;
}

__attribute__((used, visibility("default"))) int mlx_door_accept(int listener, void *address,
                                                                 void *len)
{
    return mlx_door_accept4(listener, address, len, 0);
}
#endif
