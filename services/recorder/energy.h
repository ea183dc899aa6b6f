/*  energy.h - the energy ledger: what each model and client cost, from power and requests
 *
 *  Power of this machine (common/base/power_meter.h) is kept as a curve until it is settled: as
 *  soon as no request runs any more that may have a share in it, a minute later at the earliest,
 *  half an hour at the latest. Then what is above the idle power is shared equally, at each moment,
 *  among the requests that ran (energy_sweep.h). The idle power is the lower quartile of the latest
 *  sixty minutes in which nothing ran.
 *
 *      mlx_joules_t *energy = mlx_energy_new(730);
 *      mlx_energy_load(energy, db, requests, &err);       once
 *      mlx_energy_message(energy, message);               of this machine
 *      mlx_energy_flush(energy, db, now_us, &err);        with each flush of the recorder
 *      mlx_energy_destroy(&energy);
 *
 *  A crash loses what came after the last flush and nothing else. Times are microseconds since the
 *  epoch, by the messages.
 */
#ifndef MLX_RECORDER_ENERGY_H
#define MLX_RECORDER_ENERGY_H

#include "energy_log.h"
#include "proto/message.h"
#include "request_log.h"

typedef struct mlx_joules mlx_joules_t;

#define MLX_ENERGY_LAG_US INT64_C(60000000)
#define MLX_ENERGY_HORIZON_US INT64_C(1800000000)

/*  Joules since the start of the process, for counters. */
typedef struct {
    double measured, base, other, requests;
    double idle_watts; /* NaN: not known */
    const char *scope; /* of the power, for a person; "": there is none now */
    const mlx_energy_row_t *models;
    size_t model_count;
    const mlx_energy_row_t *clients;
    size_t client_count;
} mlx_energy_totals_t;

/*  The ledger's rows are kept for DAYS. Caller owns it and must destroy it. */
mlx_joules_t *mlx_energy_new(int64_t days);
void mlx_energy_destroy(mlx_joules_t **self);

/*  Take up what an earlier process has not settled. 0, or -1 with ERR. */
int mlx_energy_load(mlx_joules_t *self, mlx_db_t *db, mlx_request_log_t *requests,
                    mlx_error_t *err);

/*  Another database is used from now on: what is not settled goes there. */
void mlx_energy_reset(mlx_joules_t *self);

void mlx_energy_message(mlx_joules_t *self, const mlx_message_t *message);

/*  Write the new part of the curve and settle what can be. 0, or -1 with ERR: it waits on. */
int mlx_energy_flush(mlx_joules_t *self, mlx_db_t *db, int64_t now_us, mlx_error_t *err);

/*  Borrowed until the next flush. */
mlx_energy_totals_t mlx_energy_totals(const mlx_joules_t *self, int64_t now_us);

#endif
