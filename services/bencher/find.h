/*  find.h - which runtime and which model a benchmark is of
 *
 *  Candidates are the runtimes that the bus knows as reachable, or the one that was named. They are
 *  probed in order of promise until one has the model: first those that have it loaded, then those
 *  that load on demand.
 *
 *      mlx_find_t *find = mlx_find_new(&options, on_found, self);
 *      ... on_found(self, &target, NULL)
 *      mlx_find_destroy(&find);
 */
#ifndef MLX_BENCHER_FIND_H
#define MLX_BENCHER_FIND_H

#include "api.h"
#include "common/http/http.h"
#include "common/runtime/keys.h"
#include "common/view/overview.h"

typedef struct mlx_find mlx_find_t;

/*  What is measured. Strings are "" when not known. */
typedef struct {
    const mlx_runtime_backend_t *runtime;
    char url[320];   /* of the runtime, without a slash at the end */
    char topic[200]; /* "runtime.ollama.127_0_0_1-11434." when the bus knows it */
    char version[64];
    char model[512]; /* as the runtime calls it */
    char digest[512];
    char quantization[512];
    int64_t context; /* 0: not known */
    bool local;      /* runs on this machine: its sensors are about it */
    bool loaded;
    bool loading;       /* by somebody else's request */
    int64_t expires_at; /* µs since the epoch; 0: not loaded, or stays for ever */
} mlx_bench_target_t;

typedef struct {
    mlx_http_t *http;
    const mlx_runtime_keys_t *keys; /* that HTTP sends; borrowed; may be NULL */
    const mlx_overview_t *overview; /* used by the call of _new only */
    const char *host;               /* runtimes of other machines are not candidates */
    const char *model;              /* NULL: the one that is loaded */
    const char *url;                /* NULL: those on the bus */
} mlx_find_options_t;

/*  TARGET is NULL with ERR set: not_found, or unavailable when nothing answered. Borrowed. The
 *  function may destroy the object. */
typedef void (*mlx_find_fn)(void *arg, const mlx_bench_target_t *target, const mlx_error_t *err);

/*  Caller owns it. FN is called later, never from within. */
mlx_find_t *mlx_find_new(mlx_loop_t *loop, const mlx_find_options_t *options, mlx_find_fn fn,
                         void *arg);
void mlx_find_destroy(mlx_find_t **self);

#endif
