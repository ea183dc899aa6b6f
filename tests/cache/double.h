/*  double.h - the double of the hub and the Ollama registry (hub_double.py) as a test uses it */
#ifndef MLX_TESTS_CACHE_DOUBLE_H
#define MLX_TESTS_CACHE_DOUBLE_H

#include "tests/cache/world.h"

#include <sys/types.h>

typedef struct {
    pid_t pid;
    int input;      /* closing it ends the double */
    char *folder;   /* <world>/hub */
    char *endpoint; /* http://127.0.0.1:<port> */
    int port;
} double_t;

/*  Start it and point the world's HF_ENDPOINT there, with a token. */
double_t *double_new(world_t *world);
void double_destroy(double_t **self);

/*  Put a file into a repository. */
void double_file(const double_t *self, const char *repo, const char *name, const void *data,
                 size_t len);

/*  An MLX repository of two shards, config and tokenizer, from SEED; its files in two pages. */
void double_mlx_repo(const double_t *self, const char *repo, size_t elements, unsigned seed);

/*  A model of the registry's library: <name>:latest. HEX: the weights. */
void double_ollama_model(const double_t *self, const char *name, size_t elements, unsigned seed,
                         char hex[MLX_HEX_MAX]);

/*  Let the double stand for a running Ollama, too: its /api/tags lists the manifests of that store
 *  (NULL: of none). */
void double_as_ollama(const double_t *self, world_t *world, const char *store);

/*  Arm faults: the lines of hub_double.py. */
void double_faults(const double_t *self, const char *lines);

/*  Number of requests so far whose log line holds PART. */
size_t double_requests(const double_t *self, const char *part);

#endif
