/*  peer.h - the two ends of a relayed connection, as blocking sockets with a deadline
 *
 *  Each call waits at most PEER_DEADLINE_S. Those that say so fail the test on any error; the
 *  others are fit for threads, where a test cannot be failed.
 */
#ifndef MLX_TESTS_TAP_PEER_H
#define MLX_TESTS_TAP_PEER_H

#include "proto/base.h"

enum {
    PEER_DEADLINE_S = 20
};

/*  A listening socket on a free loopback port; a connection to such a port; one taken from it. Fail
 *  the test. */
int peer_listen(uint16_t *port);
int peer_connect(uint16_t port);
int peer_accept(int listen_fd);

/*  A connection whose end takes about BUFFER bytes (0: as usual) that nobody reads. */
int peer_connect_small(uint16_t port, int buffer);

/*  true when all was sent. */
bool peer_send(int fd, const void *data, size_t len);

/*  Bytes received: fewer than LEN at the end of the stream or on an error. */
size_t peer_receive(int fd, void *data, size_t len);

/*  How the stream ends when no further byte comes: 0 in order, else the errno, ECONNRESET for a
 *  reset; -1 when a byte came. */
int peer_ending(int fd);

/*  Close with a reset. */
void peer_reset(int *fd);

/*  FNV-1a, to be continued from an earlier value; start with PEER_HASH. */
#define PEER_HASH 0xcbf29ce484222325u
uint64_t peer_hash(uint64_t hash, const void *data, size_t len);

#endif
