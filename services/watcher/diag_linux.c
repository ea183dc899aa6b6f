/*  Sources: sock_diag(7); linux/inet_diag.h. */
#include "diag_linux.h"

#include <arpa/inet.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum {
    REPLY_BYTES = 32 * 1024,
    BATCH = 16, /* questions at a time: all answers fit into the socket's buffer */
};

typedef struct {
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
} question_t;

/*  The older question, which is for both families at once. */
typedef struct {
    struct nlmsghdr head;
    struct inet_diag_req body;
} old_question_t;

typedef struct {
    mlx_diag_fn fn;
    void *arg;
    size_t sockets; /* that FN was called for */
    size_t errors;
    bool done;
} answer_t;

static int open_diag(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    const struct timeval patience = {.tv_sec = 1};
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience))
        mlx_close_p(&fd);
    return fd;
}

/*  What came in one piece; false when nothing did. */
static bool hear(int fd, char *bytes, answer_t *answer)
{
    ssize_t got = recv(fd, bytes, REPLY_BYTES, 0);
    if (got <= 0)
        return false;
    unsigned left = (unsigned)got;
    for (const struct nlmsghdr *head = (const void *)bytes; NLMSG_OK(head, left);
         head = NLMSG_NEXT(head, left)) {
        if (head->nlmsg_type == NLMSG_DONE) {
            answer->done = true;
        } else if (head->nlmsg_type == NLMSG_ERROR) {
            answer->errors++;
        } else if (head->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg))) {
            answer->sockets++;
            answer->fn(answer->arg, head);
        }
    }
    return true;
}

/*  Put QUESTION of LEN bytes and hear the whole table; *NONE: the kernel knows no such question. */
static bool dump(const void *question, size_t len, mlx_diag_fn fn, void *arg, bool *none)
{
    MLX_CLEANUP(mlx_close_p) int fd = open_diag();
    MLX_CLEANUP(mlx_free_p) char *bytes = mlx_alloc(1, REPLY_BYTES);
    answer_t answer = {.fn = fn, .arg = arg};
    bool heard = fd >= 0 && send(fd, question, len, 0) == (ssize_t)len;
    while (heard && !answer.done && answer.errors == 0)
        heard = hear(fd, bytes, &answer);
    *none = answer.sockets == 0;
    return heard && answer.done;
}

static bool dump_family(uint8_t family, uint32_t states, int port, bool info, mlx_diag_fn fn,
                        void *arg)
{
    bool none;
    question_t question = {
        .head = {.nlmsg_len = sizeof question,
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .body = {.sdiag_family = family,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_ext = info ? 1 << (INET_DIAG_INFO - 1) : 0,
                 .idiag_states = states},
    };
    question.body.id.idiag_sport = htons((uint16_t)port);
    return dump(&question, sizeof question, fn, arg, &none);
}

bool mlx_diag_dump(uint32_t states, int port, bool info, mlx_diag_fn fn, void *arg)
{
    bool none;
    old_question_t question = {
        .head = {.nlmsg_len = sizeof question,
                 .nlmsg_type = TCPDIAG_GETSOCK,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .body = {.idiag_ext = info ? 1 << (INET_DIAG_INFO - 1) : 0, .idiag_states = states},
    };
    question.body.id.idiag_sport = htons((uint16_t)port);
    if (dump(&question, sizeof question, fn, arg, &none))
        return true;
    if (!none)
        return false;
    bool four = dump_family(AF_INET, states, port, info, fn, arg);
    bool six = dump_family(AF_INET6, states, port, info, fn, arg);
    return four || six;
}

bool mlx_diag_known(const mlx_diag_socket_t *list, size_t count, mlx_diag_fn fn, void *arg)
{
    MLX_CLEANUP(mlx_close_p) int fd = open_diag();
    MLX_CLEANUP(mlx_free_p) char *bytes = mlx_alloc(1, REPLY_BYTES);
    bool heard = fd >= 0;
    for (size_t at = 0; heard && at < count; at += BATCH) {
        question_t questions[BATCH] = {0};
        size_t some = count - at < BATCH ? count - at : BATCH;
        for (size_t i = 0; i < some; i++)
            questions[i] = (question_t){
                .head = {.nlmsg_len = sizeof *questions,
                         .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                         .nlmsg_flags = NLM_F_REQUEST},
                .body = {.sdiag_family = list[at + i].family,
                         .sdiag_protocol = IPPROTO_TCP,
                         .idiag_ext = 1 << (INET_DIAG_INFO - 1),
                         .id = list[at + i].id},
            };
        answer_t answer = {.fn = fn, .arg = arg};
        size_t len = some * sizeof *questions;
        heard = send(fd, questions, len, 0) == (ssize_t)len;
        while (heard && answer.sockets + answer.errors < some)
            heard = hear(fd, bytes, &answer);
    }
    return heard;
}
