/*  world.h - a private machine for cache tests: a home with stores of apps, and a cache over it */
#ifndef MLX_TESTS_CACHE_WORLD_H
#define MLX_TESTS_CACHE_WORLD_H

#include "tests/cache/fixture.h"

#include "services/cache/cache.h"

typedef struct {
    char *dir;   /* everything lies in here */
    char *home;  /* of the cache: <dir>/cache */
    mlx_fs_t fs; /* handed to the cache */
    bool late;   /* its clock is past every file's time, so that a status may be kept */
    const char *variables[16]; /* NAME, value, NAME, value, .. NULL */
    char *values[8];
    void (*progress)(void *arg, const mlx_value_t *event); /* of caches opened then; may be NULL */
    void *arg;
} world_t;

/*  VALUE or the end of the test, with what `err` says. */
#define OK(value)                                                                                  \
    do {                                                                                           \
        if (!(value))                                                                              \
            fail_msg("%s; %s", err.text, err.hint);                                                \
    } while (0)

/*  An integer of a report; -1 when it is not there. */
int64_t world_number(const mlx_value_t *map, const char *key);

/*  HOME is <dir>/home; the hub cache, Ollama's and LM Studio's stores are where they would be. */
world_t *world_new(void);
void world_destroy(world_t **self);

mlx_cache_t *world_open(world_t *self, bool write, mlx_error_t *err);

/*  "<dir>/<formatted>". Caller owns it. */
char *world_path(const world_t *self, const char *fmt, ...) MLX_PRINTF(2, 3);

/*  Put a model into a store: content made from SEED. The SHA-256 of the weights in HEX. */
void world_hub_model(world_t *self, const char *repo, unsigned seed, char hex[MLX_HEX_MAX]);
void world_hub_gguf(world_t *self, const char *repo, const char *file, unsigned seed,
                    char hex[MLX_HEX_MAX]);
void world_ollama_model(world_t *self, const char *model, const char *tag, unsigned seed,
                        char hex[MLX_HEX_MAX]);
void world_lmstudio_model(world_t *self, const char *folder, unsigned seed, char hex[MLX_HEX_MAX]);

#define WORLD_COMMIT "0123456789abcdef0123456789abcdef01234567"

/*  Every file of every store is whole: each blob has the content its name says, no link is broken,
 *  no manifest misses a blob, nothing is left in a stage. Fails the test with what is wrong. */
void world_check_sound(world_t *self);

/*  Do two files take their bytes once: one inode, or blocks that the file system shares. */
bool world_shares(const world_t *self, const char *a, const char *b);

/*  Inode of <dir>/<formatted>, 0 when it is not there. */
uint64_t world_inode(const world_t *self, const char *fmt, ...) MLX_PRINTF(2, 3);

#endif
