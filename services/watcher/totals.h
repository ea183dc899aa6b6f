/*  totals.h - what an endpoint did since the watcher started: the sums that are published
 *
 *      mlx_totals_t totals = {0};
 *      mlx_totals_update(&totals, &sources, now_us);   after each look at any of them
 *      mlx_activity_message(&(mlx_activity_sources_t){.totals = &totals, ...});
 *
 *  They outlive runners, models, sources and the server itself (ledger.h). A restarted watcher
 *  begins at 0 with a new boot id, which readers of counters know as a restart.
 */
#ifndef MLX_WATCHER_TOTALS_H
#define MLX_WATCHER_TOTALS_H

#include "activity.h"
#include "ledger.h"

typedef struct mlx_totals {
    mlx_ledger_t tokens;
    mlx_ledger_t prompt_tokens;
    mlx_ledger_t requests;
    mlx_ledger_t errors;
} mlx_totals_t;

/*  NULL or not available: that source cannot be read at the moment. */
typedef struct {
    const mlx_activity_t *by[MLX_LEDGER_COUNTERS];
} mlx_totals_sources_t;

void mlx_totals_update(mlx_totals_t *self, const mlx_totals_sources_t *sources, int64_t now_us);

#endif
