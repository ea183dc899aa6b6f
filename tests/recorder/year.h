/*  year.h - a machine's year, made up: the series that a host with one GPU and one runtime
 *  publishes
 *
 *  Constants, page counts, noisy ratios, temperatures in coarse and fine steps, power, counters and
 *  rates that exist only while a model runs; clock jitter of a millisecond; busy by day, idle by
 *  night.
 *
 *      year_t *year = year_new(history, 32);
 *      year_run(year, from_ms, to_ms, step_ms);     flushes every 10000 samples
 *      year_destroy(&year);
 */
#ifndef MLX_TESTS_RECORDER_YEAR_H
#define MLX_TESTS_RECORDER_YEAR_H

#include "services/recorder/history.h"

typedef struct year year_t;

/*  HISTORY is borrowed. The kinds of series repeat when there are more than of them. */
year_t *year_new(mlx_history_t *history, size_t series);
void year_destroy(year_t **self);

/*  One sample a step of each series that has a value then, with flush and retention as the daemon
 *  does them. A failed flush ends the program. */
void year_run(year_t *self, int64_t from_ms, int64_t to_ms, int64_t step_ms);

/*  Samples given to the history so far. */
int64_t year_samples(const year_t *self);

/*  A series that is always there (CPU utilisation), and its name. */
mlx_track_t *year_track(const year_t *self);

/*  Resident memory of this process in bytes. */
int64_t year_memory(void);

#endif
