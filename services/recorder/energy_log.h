/*  energy_log.h - the ledger's tables: joules by hour, model and client, and the curve that waits
 *
 *  table         holds
 *  energy        one row for each hour of local time, kind, model and client
 *  energy_open   points of the power curve that are not in the ledger yet, packed, some a row
 *  energy_state  up to when the ledger is settled, and the idle power
 *
 *  Error codes as in common/base/db.h.
 */
#ifndef MLX_RECORDER_ENERGY_LOG_H
#define MLX_RECORDER_ENERGY_LOG_H

#include "common/base/db.h"
#include "energy_sweep.h"

typedef enum {
    MLX_ENERGY_REQUESTS, /* what requests of a model and a client took */
    MLX_ENERGY_BASE,     /* what the machine draws anyway */
    MLX_ENERGY_OTHER,    /* above that, while no request ran */
    MLX_ENERGY_UNSPLIT,  /* while the idle power was not known yet */
    MLX_ENERGY_UNKNOWN,  /* no joules: seconds without a reading */
} mlx_energy_kind_t;

enum {
    MLX_ENERGY_NAME = 513 /* bytes of a name of MLX_ENERGY_CHARS characters, with its end */,
    MLX_ENERGY_CHARS = 128,
};

typedef struct {
    int64_t hour_us;
    mlx_energy_kind_t kind;
    char model[MLX_ENERGY_NAME], client[MLX_ENERGY_NAME]; /* "": not known */
    double joules, seconds;
    int64_t requests; /* that ended */
    int64_t metered;  /* of them, those whose power was known all the time */
    int64_t tokens;   /* that they generated */
} mlx_energy_row_t;

typedef struct {
    int64_t settled_us; /* 0: never */
    double idle_watts;  /* NaN: not known */
} mlx_energy_state_t;

/*  Add ROW to what is there. 0, or -1 with ERR. */
int mlx_energy_log_add(mlx_db_t *db, const mlx_energy_row_t *row, mlx_error_t *err);

/*  Keep COUNT points, at least one. */
int mlx_energy_log_put_points(mlx_db_t *db, const mlx_power_point_t *points, size_t count,
                              mlx_error_t *err);

/*  Those kept, by time; caller owns *POINTS. */
int mlx_energy_log_get_points(mlx_db_t *db, mlx_power_point_t **points, size_t *count,
                              mlx_error_t *err);

int mlx_energy_log_get_state(mlx_db_t *db, mlx_energy_state_t *state, mlx_error_t *err);

/*  Keep STATE; points that are older than it are settled, hours before OLDEST_US past their time:
 *  both go. */
int mlx_energy_log_put_state(mlx_db_t *db, const mlx_energy_state_t *state, int64_t oldest_us,
                             mlx_error_t *err);

/*  Give each row of the range to FN, the oldest first. */
int mlx_energy_log_each(mlx_db_t *db, int64_t since_us, int64_t until_us,
                        void (*fn)(void *arg, const mlx_energy_row_t *row), void *arg,
                        mlx_error_t *err);

#endif
