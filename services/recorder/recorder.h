/*  recorder.h - from messages to history, results and alarms; survives a full disk and a damaged
 *  file
 *
 *      mlx_recorder_t *recorder = mlx_recorder_new(&options, &err);
 *      mlx_recorder_message(recorder, message);         each message of the bus
 *      mlx_recorder_tick(recorder);                     every flush interval
 *      mlx_recorder_destroy(&recorder);                 writes what waits
 *
 *  Of each retained topic of the catalogue the numeric fields become series; bench.result is stored
 *  whole, runtime.<kind>.<endpoint>.request as a row (request_log.h); other topics that are not
 *  retained are progress and not kept.
 */
#ifndef MLX_RECORDER_RECORDER_H
#define MLX_RECORDER_RECORDER_H

#include "energy_report.h"
#include "history.h"
#include "proto/message.h"

typedef struct mlx_recorder mlx_recorder_t;

typedef struct {
    mlx_history_options_t history; /* strings are copied */
    int64_t request_days;          /* for which requests are kept */
    int64_t energy_days;           /* for which the energy ledger is kept */
    mlx_energy_prices_t prices;    /* borrowed */
    const mlx_value_t *rules;      /* alert.rules */
    const char *system, *driver;   /* versions of the system and of the GPU's driver, or "" */
    const char *host;              /* name of this machine; copied */
    int64_t (*wall_us)(void);      /* the clock */

    /*  Hooks: publish a topic; an error of a KIND; the state of health, NULL for sound. */
    void (*publish)(void *arg, const char *topic, const mlx_value_t *d);
    /*  Tell people of an alert that is not silenced; TOPIC is "alert.<rule>". NULL: nobody. */
    void (*notify)(void *arg, const char *topic, const mlx_value_t *d);
    void (*problem)(void *arg, const char *kind, const char *text);
    void (*health)(void *arg, const char *reason);
    void *arg;
} mlx_recorder_options_t;

/*  A damaged database is set aside and a new one begun: that is not an error. NULL with ERR
 *  otherwise. */
mlx_recorder_t *mlx_recorder_new(const mlx_recorder_options_t *options, mlx_error_t *err);
void mlx_recorder_destroy(mlx_recorder_t **self);

void mlx_recorder_message(mlx_recorder_t *self, const mlx_message_t *message);

/*  Flush, drop what is past its time, end alarms of the silent. */
void mlx_recorder_tick(mlx_recorder_t *self);

/*  See whether the database is still where it was; one that was deleted, moved or replaced is made
 *  again, or saved beside the other. Nothing recorded is lost. Call it every few seconds. */
void mlx_recorder_check_place(mlx_recorder_t *self);

/*  Publish history.status and energy.status; call it every period of these topics. */
void mlx_recorder_report(mlx_recorder_t *self);

/*  Answer a command at once, see commands.h. */
mlx_value_t *mlx_recorder_answer(mlx_recorder_t *self, const char *cmd, const mlx_value_t *args,
                                 mlx_error_t *err);

/*  Give a bounded part of the unused space back. *BYTES: size of the file; *MORE: call again. */
int mlx_recorder_shrink(mlx_recorder_t *self, int64_t *bytes, bool *more, mlx_error_t *err);

#endif
