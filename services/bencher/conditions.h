/*  conditions.h - what the bus says of the machine while a benchmark runs
 *
 *  Fed with every message of runtime.* and sensor.* of this machine; keeps who else was busy, who
 *  waited for a core, which processes shared a GPU, the highest temperature, the mean power. Time
 *  is the messages' arrival as the caller tells it.
 *
 *      mlx_conditions_t *c = mlx_conditions_new(&target);
 *      mlx_conditions_message(c, message, now_us);
 *      mlx_conditions_begin(c, now_us);          the figures are taken from here
 *      mlx_conditions_end(c, now_us);            to here
 *      mlx_conditions_write(c, tokens, result, warnings);
 */
#ifndef MLX_BENCHER_CONDITIONS_H
#define MLX_BENCHER_CONDITIONS_H

#include "find.h"
#include "proto/message.h"

typedef struct mlx_conditions mlx_conditions_t;

/*  TARGET is borrowed as long as the object lives. */
mlx_conditions_t *mlx_conditions_new(const mlx_bench_target_t *target);
void mlx_conditions_destroy(mlx_conditions_t **self);

/*  MESSAGE of this machine; others must not be given. */
void mlx_conditions_message(mlx_conditions_t *self, const mlx_message_t *message, int64_t now_us);

void mlx_conditions_begin(mlx_conditions_t *self, int64_t now_us);
void mlx_conditions_end(mlx_conditions_t *self, int64_t now_us);

/*  Up to COUNT requests at once are our own; 1 without this call. */
void mlx_conditions_clients(mlx_conditions_t *self, int count);

/*  Somebody else uses the target's runtime, or used it since the beginning. */
bool mlx_conditions_shared(const mlx_conditions_t *self);

/*  Our own requests waited SECONDS for their turn between begin and end: the server worked for
 *  somebody else, though it may not say so on the bus. NaN: not known. */
void mlx_conditions_queued(mlx_conditions_t *self, double seconds);

/*  Set what is known in the map RESULT of bench.result, TOKENS having been generated between begin
 *  and end; append what makes figures doubtful to the list WARNINGS. */
void mlx_conditions_write(const mlx_conditions_t *self, int64_t tokens, mlx_value_t *result,
                          mlx_value_t *warnings);

#endif
