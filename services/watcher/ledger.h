/*  ledger.h - totals that never fall: one sum over all who count
 *
 *  The tap counts what passes it, the slots of a server or runner what was seen at work, /metrics
 *  what the server says has ended, its log what it writes of that; each may come, go and begin
 *  again. The ledger's total belongs to the watcher: it starts at 0 with it, only rises, and has
 *  each token once.
 *
 *  Each counter is anchored: it read V when the total was T, so that by it alone the total is now T
 *  + (reading - V). The largest of these is right, since each counter can only miss something.
 *  While nothing runs, and after a counter was looked at, it is anchored again: what it missed so
 *  far is then made up for by the others, and it is not held back by it.
 *
 *      mlx_ledger_t ledger = {0};
 *      mlx_ledger_read(&ledger, MLX_LEDGER_TAP, reading, looked_us);     NAN: it cannot be read
 *      mlx_ledger_settle(&ledger, running);                              after reading all of them
 *      ledger.total                                                      NAN until one was read
 */
#ifndef MLX_WATCHER_LEDGER_H
#define MLX_WATCHER_LEDGER_H

#include "proto/base.h"

typedef enum {
    MLX_LEDGER_TAP,
    MLX_LEDGER_SLOTS, /* of the server or of its runners */
    MLX_LEDGER_METRICS,
    MLX_LEDGER_LOG,
    MLX_LEDGER_COUNTERS,
} mlx_ledger_counter_t;

typedef struct {
    bool known; /* was read at least once */
    bool away;  /* could not be read the last time */
    double reading;
    double anchor; /* its reading when the total was anchor_total */
    double anchor_total;
    double last_total; /* the total when it was read last */
    int64_t looked_us;
} mlx_ledger_entry_t;

typedef struct {
    mlx_ledger_entry_t entries[MLX_LEDGER_COUNTERS];
    double total;
    bool started;
    int64_t changed_us; /* when the total rose last, by the looks */
} mlx_ledger_t;

/*  What a counter reads, from a look at LOOKED_US (monotonic). */
void mlx_ledger_read(mlx_ledger_t *self, mlx_ledger_counter_t which, double reading,
                     int64_t looked_us);

/*  RUNNING: one of the counters sees a request under way. */
void mlx_ledger_settle(mlx_ledger_t *self, bool running);

/*  The total; NaN before the first reading. */
double mlx_ledger_total(const mlx_ledger_t *self);

#endif
