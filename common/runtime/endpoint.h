/*  endpoint.h - where a runtime listens: an address as people write it, made fit to connect to
 *
 *      mlx_endpoint_t ollama;
 *      mlx_endpoint_parse(&ollama, getenv("OLLAMA_HOST"), 11434, &err);
 *      ollama.url      "http://127.0.0.1:11434", path kept, no slash at the end
 *      ollama.segment  "127_0_0_1-11434", the endpoint's place in a topic
 *
 *  The rules are those of Ollama's own OLLAMA_HOST: [scheme://]host[:port][/path], quotes and
 *  blanks around it ignored, port 80 or 443 when only a scheme is given. An address to listen on
 *  becomes one to connect to: 0.0.0.0 and an empty host are 127.0.0.1, [::] is [::1].
 */
#ifndef MLX_RUNTIME_ENDPOINT_H
#define MLX_RUNTIME_ENDPOINT_H

#include "proto/error.h"

enum {
    MLX_ENDPOINT_HOST_MAX = 128,
    MLX_ENDPOINT_PATH_MAX = 128
};

typedef struct {
    char url[MLX_ENDPOINT_HOST_MAX + MLX_ENDPOINT_PATH_MAX + 32];
    char host[MLX_ENDPOINT_HOST_MAX]; /* without brackets */
    int port;
    char segment[65]; /* of a topic: at most 64 bytes of [a-z0-9_-] */
} mlx_endpoint_t;

/*  Read TEXT (NULL or empty: 127.0.0.1 and the default port). -1 with ERR when it is not an
 *  address. */
int mlx_endpoint_parse(mlx_endpoint_t *self, const char *text, int default_port, mlx_error_t *err);

/*  The same place: localhost and 127.0.0.1 are one. */
bool mlx_endpoint_same(const mlx_endpoint_t *a, const mlx_endpoint_t *b);

/*  "host:port", brackets around an IPv6 address. Caller owns it and must free it. */
char *mlx_endpoint_address(const mlx_endpoint_t *self);

/*  Whether its processes are this machine's. */
bool mlx_endpoint_local(const mlx_endpoint_t *self);

#endif
