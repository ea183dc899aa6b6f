/*  top_lists.h - the models, requests and GPU processes that `mlxctl top` lists
 *
 *  Pure functions from the overview; what they point to is the overview's until its next put.
 */
#ifndef MLX_TOOLS_MLXCTL_TOP_LISTS_H
#define MLX_TOOLS_MLXCTL_TOP_LISTS_H

#include "common/view/overview.h"
#include "top_look.h"

enum {
    MLX_TOP_ROWS_MAX = 256,
    MLX_TOP_NAME_MAX = 160 /* bytes of a name that a row is known by */
};

typedef struct {
    const char *name;
    const char *kind, *url; /* of its runtime; NULL: it does not say */
    const char *state;      /* "loaded", or what the runtime calls it */
    const mlx_value_t *running;
    const mlx_value_t *can; /* load, unload, pin: what its runtime lets be done with its models */
    double size, vram;      /* bytes; NaN: unknown */
    double rate;            /* tok/s; NaN: idle or unknown */
    size_t requests;        /* it works on */
    int64_t context;        /* 0: unknown */
    int64_t expires_us;     /* 0: it stays */
    bool loaded, late;
} mlx_top_model_t;

/*  What to list: names that hold FILTER (NULL or "": all), in the order SORT; AVAILABLE: also what
 *  could be loaded. Returns their number, at most MLX_TOP_ROWS_MAX. */
size_t mlx_top_models(const mlx_overview_t *overview, int64_t now_us, const char *filter,
                      mlx_top_sort_t sort, bool available, mlx_top_model_t *out);

/*  Why MODEL cannot be loaded, unloaded or pinned (WHAT: "load", "unload", "pin"), for a person;
 *  NULL: it can. Caller owns it. */
char *mlx_top_cannot(const mlx_top_model_t *model, const char *what);

/*  The requests under way on the host whose model or client holds FILTER: at most MAX elements of
 *  "running". */
size_t mlx_top_running(const mlx_overview_t *overview, int64_t now_us, const char *filter,
                       const mlx_value_t **out, size_t max);

typedef struct {
    const char *program; /* NULL: not known */
    const char *topic;   /* of its GPU */
    int64_t pid;
    double memory, share; /* NaN: unknown */
} mlx_top_process_t;

/*  The processes on the host's GPUs, the busiest first. */
size_t mlx_top_processes(const mlx_overview_t *overview, int64_t now_us, mlx_top_process_t *out,
                         size_t max);

/*  Does TEXT (may be NULL) hold FILTER, whatever their case? */
bool mlx_top_holds(const char *text, const char *filter);

#endif
