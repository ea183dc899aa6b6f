#include "tests/double/autoplay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    BUSY_S = 20,
    IDLE_S = 8,
    PAUSE_MS = 300,
    REPLY_LIMIT_MS = 60000,
    MAX_FD = 1024
};

struct mlx_autoplay {
    pid_t pid;
    int life; /* the child sees this close */
};

/*  The child's state. */
typedef struct {
    int life;
    int port;
    int through;
    const char *const *models;
    size_t count;
    double rate;
    int round;
} player_t;

/*  Wait up to MS for FD (-1: just wait). Returns 1 readable, 0 time over; ends the process when the
 *  parent is gone. */
static int wait_for(const player_t *player, int fd, int ms)
{
    struct pollfd fds[] = {{.fd = player->life, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    int ready = poll(fds, 2, ms);
    if (ready > 0 && fds[0].revents)
        _exit(0);
    return ready > 0 ? 1 : 0;
}

static int dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)))
        mlx_close_p(&fd);
    return fd;
}

/*  One request, its reply read to the end. */
static void play_one(const player_t *player, const char *model, double rate, int tokens)
{
    MLX_CLEANUP(mlx_close_p) int fd = player->through ? dial(player->through) : -1;
    if (fd < 0)
        fd = dial(player->port);
    if (fd < 0)
        return;
    MLX_CLEANUP(mlx_free_p)
    char *body = mlx_format("{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"demo "
                            "request %d\"}],\"options\":{\"num_predict\":%d,\"double_rate\":%.2f}}",
                            model, player->round, tokens, rate);
    MLX_CLEANUP(mlx_free_p)
    char *request = mlx_format("POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: "
                               "mlx-demo\r\nConnection: close\r\nContent-Type: "
                               "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                               strlen(body), body);
    char data[4096];
    if (send(fd, request, strlen(request), 0) < 0)
        return;
    while (wait_for(player, fd, REPLY_LIMIT_MS) && recv(fd, data, sizeof(data), 0) > 0)
        continue;
}

/*  A busy stretch with one model: the pace swings by a third, so that plots have a shape. */
static void play_round(player_t *player)
{
    const char *model = player->models[(size_t)player->round % player->count];
    time_t end = time(NULL) + BUSY_S;
    for (int i = 0; time(NULL) < end; i++) {
        double swing = 1 + 0.33 * sin(i * 0.9 + player->round);
        double rate = player->rate * swing;
        play_one(player, model, rate, (int)(rate * (2 + i % 4)) + 1);
        wait_for(player, -1, PAUSE_MS);
    }
    player->round++;
}

static void play(player_t *player)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    for (;;) {
        play_round(player);
        wait_for(player, -1, IDLE_S * 1000);
    }
}

mlx_autoplay_t *mlx_autoplay_new(int port, int through, const char *const *models, size_t count,
                                 double rate, mlx_error_t *err)
{
    int life[2];
    if (pipe(life)) {
        mlx_error_set(err, MLX_ERR_FAILED, "cannot start the clients: %s", strerror(errno));
        return NULL;
    }
    pid_t pid = fork();
    if (pid == 0) {
        /* Nothing of the server's: a listener held here would keep its port open. */
        for (int fd = STDERR_FILENO + 1; fd < MAX_FD; fd++) {
            if (fd != life[0])
                close(fd);
        }
        play(&(player_t){life[0], port, through, models, count, rate, 0});
    }
    close(life[0]);
    if (pid < 0) {
        close(life[1]);
        mlx_error_set(err, MLX_ERR_FAILED, "cannot start the clients: %s", strerror(errno));
        return NULL;
    }
    mlx_autoplay_t *self = mlx_alloc(1, sizeof(*self));
    *self = (mlx_autoplay_t){pid, life[1]};
    return self;
}

void mlx_autoplay_destroy(mlx_autoplay_t **self)
{
    if (!*self)
        return;
    mlx_close_p(&(*self)->life);
    while (waitpid((*self)->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    free(*self);
    *self = NULL;
}
