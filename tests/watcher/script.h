/*  script.h - an HTTP server that answers by a table, and keeps a log of what it was asked
 *
 *      static const script_reply_t replies[] = {{"/running", 200, "{\"running\":[]}"}, {0}};
 *      script_t *server = script_new(replies, NULL);
 *      script_port(server)
 *      script_play(server, others);                it answers by another table from now on
 *      MLX_CLEANUP(mlx_free_p) char *log = script_log(server);      "GET /running\n..."
 *      script_destroy(&server);
 *
 *  It runs in a thread of its own, one request at a time. What is not in the table is answered by
 *  404.
 */
#ifndef MLX_TESTS_WATCHER_SCRIPT_H
#define MLX_TESTS_WATCHER_SCRIPT_H

#include <sys/types.h>

#include "proto/base.h"

typedef struct script script_t;

typedef struct {
    const char *path; /* NULL ends the table */
    int status;       /* 0: no answer until the client gives up */
    const char *body;
    const char *server; /* value of the header Server; NULL: none */
} script_reply_t;

/*  KEY: without "Authorization: Bearer KEY" everything is answered by 401; NULL: no key. Tables and
 *  KEY are borrowed. */
script_t *script_new(const script_reply_t *replies, const char *key);
void script_destroy(script_t **self);

/*  The same on PORT; NULL when that is taken. */
script_t *script_new_at(const script_reply_t *replies, const char *key, int port);

/*  Have only what process PID asks stand in the log. */
void script_log_only(script_t *self, pid_t pid);

int script_port(const script_t *self);
void script_play(script_t *self, const script_reply_t *replies);

/*  Requests that had the header Authorization. */
int script_authorized(script_t *self);

/*  Caller owns it and must free it. */
char *script_log(script_t *self);

#endif
