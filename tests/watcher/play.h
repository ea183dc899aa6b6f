/*  play.h - a watcher in the test's own loop, the Ollama double beside it, and clients that ask it
 *
 *      play_t *play = *state;                        play_setup made it
 *      play_double(play, 0, (const char *[]){"--runner", "--rate", "40", NULL});
 *      play_watch(play, &(mlx_watcher_options_t){.ollama_host = play->address});
 *      play_generate(play, play->address, 200);
 *      PLAY_UNTIL(play, play_str(play, "ollama", "activity", "source"));
 *
 *  Paths of programs come from the build by MLX_BIN.
 */
#ifndef MLX_TESTS_WATCHER_PLAY_H
#define MLX_TESTS_WATCHER_PLAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/http/http.h"
#include "services/watcher/watcher.h"

enum {
    PLAY_DOUBLES_MAX = 4,
    PLAY_DEADLINE_MS = 30000
};

typedef struct {
    mlx_loop_t *loop;
    mlx_http_t *http;
    mlx_watcher_t *watcher;
    mlx_timer_t *tick;
    mlx_timer_t *deadline;
    bool late;
    pid_t doubles[PLAY_DOUBLES_MAX];
    size_t double_count;
    int port;            /* of the double that was started last */
    char address[32];    /* "127.0.0.1:PORT" of it */
    mlx_value_t *topics; /* topic: newest data */
    mlx_value_t *events; /* data of all .request messages, in order */
    int publications;
    int falls; /* times that a total was lower than before; none is allowed */
    int problems;
    char last_problem[512];

    int running;        /* requests under way */
    mlx_value_t *reply; /* final object of the request that ended last */
} play_t;

int play_setup(void **state);
int play_teardown(void **state);

/*  Start the double on PORT (0: any) and wait until it listens. ARGS end with NULL. */
void play_double(play_t *self, int port, const char *const *args);

/*  kill -9 the double that was started last, and its runner with it. */
void play_kill(play_t *self);

/*  A port that nobody listens on. */
int play_free_port(void);

/*  Start the watcher; loop, callbacks, paces and proc root are filled in. */
void play_watch(play_t *self, const mlx_watcher_options_t *options);

/*  Generate TOKENS at ADDRESS through /api/generate; reply is the final object with the server's
 *  own figures. */
void play_generate(play_t *self, const char *address, int tokens);

/*  Send REQUEST; running counts it, too. */
void play_get(play_t *self, const mlx_http_request_t *request);

/*  The same by PATH with BODY; reply is not kept. */
void play_post(play_t *self, const char *address, const char *path, const char *body);

/*  The same as POST by a process of its own, at the double that was started last: the watcher takes
 *  connections of its own process for its own questions. */
pid_t play_client(const play_t *self, const char *path, const char *body);

/*  Whether it has ended; *PID becomes 0. */
bool play_client_ended(pid_t *pid);

/*  Newest data of runtime.KIND.127_0_0_1-<port>.WHAT, or NULL. Borrowed. */
const mlx_value_t *play_data(const play_t *self, const char *kind, const char *what);

/*  Fields of it: NULL or NaN when absent. */
const char *play_str(const play_t *self, const char *kind, const char *what, const char *key);
double play_real(const play_t *self, const char *kind, const char *what, const char *key);

/*  Whether runtime.KIND...models says reachable, or says that it is not. */
bool play_reachable(const play_t *self, const char *kind);
bool play_gone(const play_t *self, const char *kind);

/*  Run the loop until EXPRESSION holds; fail after a deadline. */
#define PLAY_UNTIL(self, expression)                                                               \
    do {                                                                                           \
        play_deadline((self));                                                                     \
        while (!(expression) && !(self)->late)                                                     \
            mlx_loop_run((self)->loop);                                                            \
        if (!(expression))                                                                         \
            play_fail((self), #expression, __FILE__, __LINE__);                                    \
        mlx_loop_cancel((self)->loop, &(self)->deadline);                                          \
    } while (0)

void play_deadline(play_t *self);
void play_fail(const play_t *self, const char *expression, const char *file, int line);

#endif
