/*  alert_board.h - the alert rules as people see them: which fire, which are silenced, which are
 *  being tried
 *
 *      mlx_alert_board_t *board = mlx_alert_board_new(rules, &hooks);
 *      mlx_alert_board_load(board, db, &err);
 *      mlx_alert_board_take(board, "alert.hot", d, now_us);      what rules.h publishes
 *      mlx_alert_board_tick(board, now_us);                      every few seconds
 *      mlx_value_t *list = mlx_alert_board_list(board, now_us);
 *      mlx_alert_board_destroy(&board);
 *
 *  A silenced alert is published with "silenced_until": front ends do not show it, and no route is
 *  told. When the silence ends and it still fires, that is news. Silences are kept in the database.
 */
#ifndef MLX_RECORDER_ALERT_BOARD_H
#define MLX_RECORDER_ALERT_BOARD_H

#include "common/base/db.h"
#include "proto/value.h"

typedef struct mlx_alert_board mlx_alert_board_t;

enum {
    MLX_ALERT_TEST_S = 10 /* for which a test fires */
};

typedef struct {
    /*  For the bus, and for the routes (may be NULL), which get only what is not silenced. TOPIC is
     *  "alert.<rule>". */
    void (*publish)(void *arg, const char *topic, const mlx_value_t *d);
    void (*notify)(void *arg, const char *topic, const mlx_value_t *d);
    void *arg;
} mlx_alert_board_hooks_t;

/*  RULES is alert.rules of the configuration. Caller owns it and must destroy it. */
mlx_alert_board_t *mlx_alert_board_new(const mlx_value_t *rules,
                                       const mlx_alert_board_hooks_t *hooks);
void mlx_alert_board_destroy(mlx_alert_board_t **self);

int mlx_alert_board_load(mlx_alert_board_t *self, mlx_db_t *db, mlx_error_t *err);

void mlx_alert_board_take(mlx_alert_board_t *self, const char *topic, const mlx_value_t *d,
                          int64_t now_us);
void mlx_alert_board_tick(mlx_alert_board_t *self, int64_t now_us);

/*  Be quiet about RULE for SECONDS; 0 ends a silence. 0, or -1 with ERR: not_found, usage. */
int mlx_alert_board_silence(mlx_alert_board_t *self, mlx_db_t *db, const char *rule, double seconds,
                            int64_t now_us, mlx_error_t *err);

/*  Let RULE fire for MLX_ALERT_TEST_S seconds, said to be a test. busy: it fires anyway. */
int mlx_alert_board_test(mlx_alert_board_t *self, const char *rule, int64_t now_us,
                         mlx_error_t *err);

/*  All rules; caller owns the list. */
mlx_value_t *mlx_alert_board_list(const mlx_alert_board_t *self, int64_t now_us);

#endif
