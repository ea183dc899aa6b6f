/*  Sources: sock_diag(7), an exact query (no dump); linux/inet_diag.h. */
#include "asker_socket.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum {
    STATE_ESTABLISHED = 1, /* of net/tcp_states.h, which programs do not get */
    REPLY_BYTES = 8192,
};

typedef struct {
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
} question_t;

/*  Address and port of AT into the words of a query; IPv4 in IPv6's clothes is asked as IPv4, which
 *  finds sockets of either family. */
static int family_of(const struct sockaddr_storage *at, __be32 words[4], __be16 *port)
{
    const struct sockaddr_in *four = (const void *)at;
    const struct sockaddr_in6 *six = (const void *)at;
    if (at->ss_family == AF_INET) {
        memcpy(words, &four->sin_addr, 4);
        *port = four->sin_port;
        return AF_INET;
    }
    *port = six->sin6_port;
    if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
        memcpy(words, &six->sin6_addr.s6_addr[12], 4);
        return AF_INET;
    }
    memcpy(words, &six->sin6_addr, 16);
    return AF_INET6;
}

static bool make_question(question_t *out, const struct sockaddr_storage *client,
                          const struct sockaddr_storage *server)
{
    *out = (question_t){.head = {.nlmsg_len = sizeof *out,
                                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                                 .nlmsg_flags = NLM_F_REQUEST},
                        .body = {.sdiag_protocol = IPPROTO_TCP, .idiag_states = UINT32_MAX}};
    struct inet_diag_sockid *id = &out->body.id;
    id->idiag_cookie[0] = id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    int from = family_of(client, id->idiag_src, &id->idiag_sport);
    int to = family_of(server, id->idiag_dst, &id->idiag_dport);
    out->body.sdiag_family = (uint8_t)from;
    return from == to;
}

/*  When the connection is gone the kernel answers with whoever listens on that port instead: state
 *  and ports must be those that were asked for. */
static uint64_t read_answer(const char *bytes, size_t len, const question_t *asked)
{
    const struct nlmsghdr *head = (const void *)bytes;
    if (!NLMSG_OK(head, (unsigned)len) || head->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
        head->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
        return 0;
    const struct inet_diag_msg *msg = NLMSG_DATA(head);
    bool same = msg->idiag_state == STATE_ESTABLISHED &&
                msg->id.idiag_sport == asked->body.id.idiag_sport &&
                msg->id.idiag_dport == asked->body.id.idiag_dport;
    return same ? msg->idiag_inode : 0;
}

uint64_t mlx_asker_socket(const struct sockaddr_storage *client,
                          const struct sockaddr_storage *server)
{
    question_t question;
    char bytes[REPLY_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
    if (!make_question(&question, client, server))
        return 0;
    MLX_CLEANUP(mlx_close_p)
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0 || send(fd, &question, sizeof question, 0) != (ssize_t)sizeof question)
        return 0;
    ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT); /* it is there when send returns */
    return got > 0 ? read_answer(bytes, (size_t)got, &question) : 0;
}
