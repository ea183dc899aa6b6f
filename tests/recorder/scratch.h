/*  scratch.h - a private directory with a database in it, gone at the end of the test */
#ifndef MLX_TESTS_RECORDER_SCRATCH_H
#define MLX_TESTS_RECORDER_SCRATCH_H

#include "services/recorder/history.h"

typedef struct {
    char dir[64];
    char path[96];
    mlx_history_t *history;
} scratch_t;

/*  cmocka set-up and tear-down: *STATE is a scratch_t without an open history. */
int scratch_make(void **state);
int scratch_remove(void **state);

/*  Open (48 hours raw, 90 days of minutes); fails the test when it cannot. */
void scratch_open(scratch_t *self, int64_t now_ms);

/*  As a process that is killed leaves it: nothing is flushed. */
void scratch_crash(scratch_t *self);

/*  xorshift64*: the same numbers in every run. */
uint64_t scratch_roll(uint64_t *seed);

/*  2026-01-01, in milliseconds. */
#define SCRATCH_T0 INT64_C(1767225600000)

#endif
