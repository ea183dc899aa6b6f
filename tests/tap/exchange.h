/*  exchange.h - many different exchanges, each known by its number on both ends
 *
 *  Recorded replies of a real server, downloads and uploads with and without chunks, replies to
 *  HEAD, interim replies, and bytes that are not HTTP at all. Every request carries its number, so
 *  that a server knows how long it is and what to answer.
 */
#ifndef MLX_TESTS_TAP_EXCHANGE_H
#define MLX_TESTS_TAP_EXCHANGE_H

#include "proto/buf.h"

/*  Append the bytes of exchange NUMBER. */
void exchange_request(int number, mlx_buf_t *out);
void exchange_reply(int number, mlx_buf_t *out);

/*  The number of the request that DATA begins with; -1 when more bytes are needed to tell. */
int exchange_number(const char *data, size_t len);

bool exchange_is_small(int number);    /* a request that fits any socket buffer */
bool exchange_is_last(int number);     /* no HTTP: no other may follow on its connection */
bool exchange_is_measured(int number); /* asks for generated text */

/*  Serve exchanges on FD until its end. false when a request was not what it should be. */
bool exchange_serve(int fd);

#endif
