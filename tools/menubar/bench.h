/*  bench.h - a benchmark as the menu sees it: ours (to start and cancel) or someone else's
 *
 *      mlx_menu_bench_t *bench = mlx_menu_bench_new(bus, 60, on_end, self);
 *      mlx_menu_bench_start(bench);
 *      mlx_menu_bench_see(bench, message, now_us);         each bench.progress
 *      mlx_menu_bench_state(bench, now_us), mlx_menu_bench_note(bench)
 */
#ifndef MLX_TOOLS_MENUBAR_BENCH_H
#define MLX_TOOLS_MENUBAR_BENCH_H

#include "common/bus/bus.h"
#include "common/view/menu_view.h"

typedef struct mlx_bench mlx_menu_bench_t;

/*  Ours ended. TITLE: "Benchmark: 42.3 tok/s"; TEXT: the model, or what went wrong. ERR: NULL when
 *  there is a result. */
typedef void (*mlx_bench_end_fn)(void *arg, const char *title, const char *text,
                                 const mlx_error_t *err);

/*  BUDGET_S: what a run may take besides loading the model, as in bench.budget_s. */
mlx_menu_bench_t *mlx_menu_bench_new(mlx_bus_t *bus, int64_t budget_s, mlx_bench_end_fn fn,
                                     void *arg);
void mlx_menu_bench_destroy(mlx_menu_bench_t **self);

/*  Nothing happens when one is running already; nor on cancel when none of ours is. */
void mlx_menu_bench_start(mlx_menu_bench_t *self);
void mlx_menu_bench_cancel(mlx_menu_bench_t *self);

/*  A message of bench.progress, ours or not. Times: microseconds of one clock. */
void mlx_menu_bench_see(mlx_menu_bench_t *self, const mlx_message_t *message, int64_t now_us);

mlx_bench_state_t mlx_menu_bench_state(const mlx_menu_bench_t *self, int64_t now_us);

/*  "prompt 3 of 10, 42.3 tok/s", "load"; NULL before the first progress. Borrowed. */
const char *mlx_menu_bench_note(const mlx_menu_bench_t *self);

#endif
