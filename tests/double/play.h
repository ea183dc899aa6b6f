/*  play.h - for tests: run the double as a process, ask it things
 *
 *      mlx_play_t *play = mlx_play_new((const char *[]){"--rate", "200", NULL});
 *      mlx_play_reply_t reply = mlx_play_fetch(play, "GET", "/api/ps", NULL);
 *      mlx_play_free(&reply);
 *      mlx_play_destroy(&play);           SIGTERM; fails the test unless it exits with 0
 *
 *  What should not happen panics with a message: there is no test to go on with.
 */
#ifndef MLX_TESTS_DOUBLE_PLAY_H
#define MLX_TESTS_DOUBLE_PLAY_H

#include <sys/types.h>

#include "proto/buf.h"
#include "proto/value.h"

typedef struct mlx_play mlx_play_t;

typedef struct {
    int status;     /* 0: no HTTP came back */
    mlx_buf_t head; /* status line and headers, with their line ends, without the empty line */
    mlx_buf_t body; /* decoded when it came in chunks */
} mlx_play_reply_t;

/*  ARGS ends with NULL; --port 0 is implied. Waits until it listens. */
mlx_play_t *mlx_play_new(const char *const *args);
void mlx_play_destroy(mlx_play_t **self);

/*  End it with SIGKILL and reap it; destroy it all the same. */
void mlx_play_kill(mlx_play_t *self);

int mlx_play_port(const mlx_play_t *self);
pid_t mlx_play_pid(const mlx_play_t *self);

/*  Connect to PORT of this machine. -1: refused. Reads end after ten seconds. */
int mlx_play_dial(int port);

/*  Send a request (BODY NULL: none) that asks for the connection to be closed after it. */
void mlx_play_send(int fd, const char *method, const char *path, const char *body);

/*  Read the reply to its end. Caller frees it. */
mlx_play_reply_t mlx_play_receive(int fd);
void mlx_play_free(mlx_play_reply_t *reply);

/*  All of that in one. */
mlx_play_reply_t mlx_play_fetch(const mlx_play_t *self, const char *method, const char *path,
                                const char *body);

/*  The same from any port, parsed; NULL: no JSON came back. Caller owns the result. */
mlx_value_t *mlx_play_json(int port, const char *method, const char *path, const char *body);

/*  One number of /double/stats. */
int64_t mlx_play_stat(const mlx_play_t *self, const char *name);

/*  Arm a fault. */
void mlx_play_fault(const mlx_play_t *self, const char *name, int count);

#endif
