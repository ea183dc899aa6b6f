/*  http_server.h - a real HTTP server on a free loopback port whose every path is one behaviour
 *
 *  /hello /missing /redirect /chunked /late /half /garbage /nothing /silent /stall /gigabyte
 *  /endless-chunks /endless-headers /echo. Setup and teardown for cmocka; counters are waited for.
 */
#ifndef MLX_TESTS_HTTP_SERVER_H
#define MLX_TESTS_HTTP_SERVER_H

#include "proto/base.h"

typedef struct http_server http_server_t;

enum {
    HTTP_SERVER_DEADLINE_MS = 20000,
    HTTP_SERVER_PAUSE_US = 400000, /* in the middle of /chunked and /late */
};

typedef enum {
    HTTP_SERVER_ACCEPTED, /* connections so far */
    HTTP_SERVER_HUNG_UP,  /* connections that the client ended in the middle of our reply */
    HTTP_SERVER_COUNTERS,
} http_server_counter_t;

int http_server_start(void **state);
int http_server_stop(void **state);

/*  "http://127.0.0.1:PORT" PATH; valid until the next call. */
const char *http_server_url(http_server_t *self, const char *path);

int http_server_count(http_server_t *self, http_server_counter_t counter);

/*  Wait until COUNTER is at least COUNT; aborts the test program at the deadline. */
void http_server_wait(http_server_t *self, http_server_counter_t counter, int count);

#endif
