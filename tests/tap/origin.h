/*  origin.h - a server that the tests put behind the tap: one thread per connection
 *
 *      origin_t *origin = origin_new(serve, arg);   serve(arg, fd) per connection, then fd closes
 *      peer_connect(origin_port(origin));
 *      origin_destroy(&origin);                     once every client has closed
 */
#ifndef MLX_TESTS_TAP_ORIGIN_H
#define MLX_TESTS_TAP_ORIGIN_H

#include "proto/base.h"

typedef struct origin origin_t;

origin_t *origin_new(void (*serve)(void *arg, int fd), void *arg);
void origin_destroy(origin_t **self);
uint16_t origin_port(const origin_t *self);

#endif
