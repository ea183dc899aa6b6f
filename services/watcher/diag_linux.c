/*  Sources: sock_diag(7); linux/inet_diag.h. */
#include "diag_linux.h"

#include <arpa/inet.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <sys/time.h>

enum {
    REPLY_BYTES = 32 * 1024
};

static int ask(int family, uint32_t states, int port, bool info)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 body;
    } request = {
        .head = {.nlmsg_len = sizeof request,
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .body = {.sdiag_family = (uint8_t)family,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_ext = info ? 1 << (INET_DIAG_INFO - 1) : 0,
                 .idiag_states = states},
    };
    request.body.id.idiag_sport = htons((uint16_t)port);
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    const struct timeval patience = {.tv_sec = 1};
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) ||
                    send(fd, &request, sizeof request, 0) != (ssize_t)sizeof request))
        mlx_close_p(&fd);
    return fd;
}

bool mlx_diag_dump(int family, uint32_t states, int port, bool info, mlx_diag_fn fn, void *arg)
{
    MLX_CLEANUP(mlx_close_p) int fd = ask(family, states, port, info);
    MLX_CLEANUP(mlx_free_p) char *bytes = mlx_alloc(1, REPLY_BYTES);
    while (fd >= 0) {
        ssize_t got = recv(fd, bytes, REPLY_BYTES, 0);
        if (got <= 0)
            return false;
        unsigned left = (unsigned)got;
        for (const struct nlmsghdr *head = (const void *)bytes; NLMSG_OK(head, left);
             head = NLMSG_NEXT(head, left)) {
            if (head->nlmsg_type == NLMSG_DONE)
                return true;
            if (head->nlmsg_type == NLMSG_ERROR)
                return false;
            if (head->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
                fn(arg, head);
        }
    }
    return false;
}
