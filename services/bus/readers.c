#include "readers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#ifdef __linux__
#include <linux/sockios.h>
#endif

enum {
    KEY_MAX = 64,
    STUCK_US = 150 * 1000,
    BURST = 1024,         /* subscriptions of a connection that are served at once */
    PER_SECOND = 4,       /* and later on */
    BYTES_MAX = 32 << 20, /* of all its subscriptions: libzmq keeps each of them */
    SUBSCRIPTION_COST = 64,
};

typedef struct {
    int fd; /* -1: the place is free */
    ino_t inode;
    char key[KEY_MAX]; /* "": local */
    double credit;     /* subscriptions that are served at once */
    int64_t credit_us;
    size_t bytes;     /* of its subscriptions */
    int waiting;      /* bytes that the kernel holds for it */
    int64_t moved_us; /* when that number last changed, or was 0 */
} reader_t;

struct mlx_readers {
    reader_t *all;
    size_t count; /* places */
    int64_t excessive;
    mlx_readers_allowed_fn allowed;
    void *arg;
};

mlx_readers_t *mlx_readers_new(mlx_readers_allowed_fn allowed, void *arg)
{
    mlx_readers_t *self = mlx_alloc(1, sizeof *self);
    *self = (mlx_readers_t){.allowed = allowed, .arg = arg};
    return self;
}

void mlx_readers_destroy(mlx_readers_t **self)
{
    if (*self)
        free((*self)->all);
    free(*self);
    *self = NULL;
}

/*  What the descriptor leads to; false when it is not a socket. */
static bool inode_of(int fd, ino_t *inode)
{
    struct stat status;
    bool found = fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
    *inode = found ? status.st_ino : 0;
    return found;
}

static bool is_there(const reader_t *reader)
{
    ino_t inode;
    return reader->fd >= 0 && inode_of(reader->fd, &inode) && inode == reader->inode;
}

/*  libzmq notices as if the other side had gone. */
static void end_connection(reader_t *reader)
{
    if (is_there(reader))
        shutdown(reader->fd, SHUT_RDWR);
    reader->fd = -1;
}

static reader_t *place_for(mlx_readers_t *self, int fd)
{
    reader_t *unused = NULL;
    for (size_t i = 0; i < self->count; i++) {
        if (self->all[i].fd == fd)
            return &self->all[i];
        if (self->all[i].fd < 0 && !unused)
            unused = &self->all[i];
    }
    if (unused)
        return unused;
    self->all = mlx_grow(self->all, self->count, sizeof *self->all);
    unused = &self->all[self->count++];
    *unused = (reader_t){.fd = -1};
    return unused;
}

static bool is_denied(const mlx_readers_t *self, const reader_t *reader)
{
    return reader->key[0] && self->allowed && !self->allowed(self->arg, reader->key);
}

static reader_t *reader_of(mlx_readers_t *self, zmq_msg_t *frame, int64_t now_us)
{
    int fd = zmq_msg_get(frame, ZMQ_SRCFD);
    ino_t inode;
    if (fd < 0 || !inode_of(fd, &inode))
        return NULL; /* it has left */
    reader_t *reader = place_for(self, fd);
    if (reader->fd == fd && reader->inode == inode)
        return reader;
    *reader = (reader_t){
        .fd = fd, .inode = inode, .credit = BURST, .credit_us = now_us, .moved_us = now_us};
    const char *key = zmq_msg_gets(frame, "User-Id");
    if (key && strlen(key) < sizeof reader->key)
        memcpy(reader->key, key, strlen(key) + 1);
    if (!is_denied(self, reader))
        return reader;
    end_connection(reader);
    return NULL;
}

bool mlx_readers_subscribed(mlx_readers_t *self, zmq_msg_t *frame, int64_t now_us)
{
    reader_t *reader = reader_of(self, frame, now_us);
    if (!reader)
        return false;
    reader->bytes += zmq_msg_size(frame) + SUBSCRIPTION_COST;
    if (reader->bytes > BYTES_MAX) {
        self->excessive++;
        end_connection(reader);
        return false;
    }
    double credit =
        reader->credit + (double)(now_us - reader->credit_us) / 1e6 * (double)PER_SECOND;
    reader->credit = fmin(credit, (double)BURST);
    reader->credit_us = now_us;
    if (reader->credit < 1)
        return false;
    reader->credit -= 1;
    return true;
}

/*  Bytes sent to FD that the other side has not fetched. */
static int waiting_for(int fd)
{
    int bytes = 0;
#ifdef __linux__
    return ioctl(fd, SIOCOUTQ, &bytes) ? 0 : bytes;
#else
    socklen_t size = sizeof bytes;
    return getsockopt(fd, SOL_SOCKET, SO_NWRITE, &bytes, &size) ? 0 : bytes;
#endif
}

void mlx_readers_look(mlx_readers_t *self, int64_t now_us)
{
    for (size_t i = 0; i < self->count; i++) {
        reader_t *reader = &self->all[i];
        if (!is_there(reader)) {
            reader->fd = -1;
            continue;
        }
        int waiting = waiting_for(reader->fd);
        if (waiting == 0 || waiting != reader->waiting)
            reader->moved_us = now_us;
        reader->waiting = waiting;
    }
}

size_t mlx_readers_end_stuck(mlx_readers_t *self, int64_t now_us)
{
    size_t ended = 0;
    for (size_t i = 0; i < self->count; i++) {
        reader_t *reader = &self->all[i];
        if (reader->fd < 0 || now_us - reader->moved_us < STUCK_US ||
            waiting_for(reader->fd) != reader->waiting)
            continue;
        end_connection(reader);
        ended++;
    }
    return ended;
}

size_t mlx_readers_end_denied(mlx_readers_t *self)
{
    size_t ended = 0;
    for (size_t i = 0; i < self->count; i++) {
        reader_t *reader = &self->all[i];
        if (!is_there(reader) || !is_denied(self, reader))
            continue;
        end_connection(reader);
        ended++;
    }
    return ended;
}

int64_t mlx_readers_excessive(const mlx_readers_t *self)
{
    return self->excessive;
}
