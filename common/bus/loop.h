/*  loop.h - the event loop of a process or thread: descriptors, timers, signals, bus sockets
 *
 *  A thin layer over czmq's zloop. One loop belongs to one thread; only mlx_loop_wake may be called
 *  from another. Handlers run to completion and must not block: long work runs in a thread that
 *  wakes the loop when it is done.
 *
 *      mlx_loop_t *loop = mlx_loop_new();
 *      mlx_timer_t *tick = mlx_loop_every(loop, 1000, on_tick, self);
 *      mlx_loop_run(loop);            until mlx_loop_stop, from a handler
 *      mlx_loop_cancel(loop, &tick);
 *      mlx_loop_destroy(&loop);
 */
#ifndef MLX_COMMON_BUS_LOOP_H
#define MLX_COMMON_BUS_LOOP_H

#include "proto/error.h"

typedef struct mlx_loop mlx_loop_t;
typedef struct mlx_watch mlx_watch_t;
typedef struct mlx_timer mlx_timer_t;

enum {
    MLX_READ = 1,
    MLX_WRITE = 2
};

typedef void (*mlx_watch_fn)(void *arg, int fd, unsigned events);
typedef void (*mlx_timer_fn)(void *arg);
typedef void (*mlx_signal_fn)(void *arg, int signal_number);

mlx_loop_t *mlx_loop_new(void);
void mlx_loop_destroy(mlx_loop_t **self); /* frees what is still registered; closes no descriptor */

/*  Run until mlx_loop_stop; may be run again afterwards. */
void mlx_loop_run(mlx_loop_t *self);
void mlx_loop_stop(mlx_loop_t *self);

/*  Call FN(ARG, fd, events) while FD is ready for EVENTS (MLX_READ | MLX_WRITE; hang-up and error
 *  count as ready). FN may unwatch itself or any other. Unwatch before closing FD. */
mlx_watch_t *mlx_loop_watch(mlx_loop_t *self, int fd, unsigned events, mlx_watch_fn fn, void *arg);
void mlx_loop_rewatch(mlx_loop_t *self, mlx_watch_t *watch, unsigned events); /* 0: pause */
void mlx_loop_unwatch(mlx_loop_t *self, mlx_watch_t **watch);

/*  Timers in milliseconds on the monotonic clock. every: aligned to multiples of the period from
 *  its start, which is on the grid (below) for long ones; a late tick is not made up for. after:
 *  once, then the handle is dead (cancel still legal from other handlers as long as it has not
 *  fired; FN should reset its copy). */
mlx_timer_t *mlx_loop_every(mlx_loop_t *self, int64_t period_ms, mlx_timer_fn fn, void *arg);
mlx_timer_t *mlx_loop_after(mlx_loop_t *self, int64_t delay_ms, mlx_timer_fn fn, void *arg);

/*  The last moment not after DELAY_US from NOW_US (monotonic), but after NOW_US, of a grid of
 *  MLX_LOOP_GRID_MS: what is not urgent and waits for the grid wakes the process once together. */
enum {
    MLX_LOOP_GRID_MS = 500
};
int64_t mlx_loop_grid_us(int64_t now_us, int64_t delay_us);
void mlx_loop_cancel(mlx_loop_t *self, mlx_timer_t **timer);

/*  Route process signals to FN in this loop (self-pipe; one loop per process may do so). SIGPIPE is
 *  ignored as a side effect. LIST ends with 0. */
int mlx_loop_signals(mlx_loop_t *self, const int *list, mlx_signal_fn fn, void *arg,
                     mlx_error_t *err);

/*  From any thread: make FN(ARG) run once soon in the loop's own thread. */
void mlx_loop_wake(mlx_loop_t *self, mlx_timer_fn fn, void *arg);

/*  Forget the wakes with ARG that have not run yet: before it is freed, and after its threads have
 *  ended. */
void mlx_loop_unwake(mlx_loop_t *self, const void *arg);

#endif
