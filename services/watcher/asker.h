/*  asker.h - who asks: what a request and its connection say of the client
 *
 *  The tap takes the address and the socket when a client connects, and the User-Agent and the
 *  fingerprint of the API key from each request; which process holds the socket is found out later
 *  and elsewhere (asker_process.h), since that takes time. Everything here is from outside: text is
 *  one line of valid UTF-8, cut.
 */
#ifndef MLX_WATCHER_ASKER_H
#define MLX_WATCHER_ASKER_H

#include "proto/base.h"
#include <sys/socket.h>

enum {
    MLX_ASKER_AGENT = 96,
    MLX_ASKER_KEY = 9, /* eight hexadecimal digits */
    MLX_ASKER_ADDRESS = 64,
    MLX_ASKER_PROCESS = 64,
    MLX_ASKER_NAME = MLX_ASKER_AGENT,
};

/*  One client's end of a connection. */
typedef struct {
    char address[MLX_ASKER_ADDRESS]; /* numeric, without the port */
    bool here;                       /* on this machine */
    uint16_t port;                   /* of the client */
    uint16_t server_port;
    uint64_t inode; /* Linux: of the client's socket; 0: not known */
} mlx_asker_end_t;

/*  "" or 0 is not known. */
typedef struct {
    mlx_asker_end_t peer;
    char agent[MLX_ASKER_AGENT]; /* User-Agent */
    char key[MLX_ASKER_KEY];     /* fingerprint of the API key */
    char process[MLX_ASKER_PROCESS];
    int64_t pid;
} mlx_asker_t;

/*  The other end of the connected TCP socket FD; what cannot be determined stays empty. Linux: one
 *  exact query of sock_diag(7) for the inode, some microseconds. */
mlx_asker_end_t mlx_asker_end_of(int fd);

/*  The same for the connection from CLIENT to SERVER, an address of this machine. */
mlx_asker_end_t mlx_asker_end_between(const struct sockaddr_storage *client,
                                      const struct sockaddr_storage *server);

/*  Copy TEXT (LEN bytes) into FIELD of SIZE as one line of UTF-8, cut on a character's border. */
void mlx_asker_text(char *field, size_t size, const char *text, size_t len);

/*  What to call it, the best that is known: the process, the program that the User-Agent names, an
 *  address that is not this machine's; "" when there is none of them. */
void mlx_asker_name(const mlx_asker_t *self, char out[MLX_ASKER_NAME]);

#endif
