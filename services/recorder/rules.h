/*  rules.h - alarms: a value beyond a limit for some seconds
 *
 *  A rule of the configuration (alert.rules) names a topic, in which "*" stands for anything, and a
 *  field as in fields.h, without labels. It is met while the value is above or below a limit, or
 *  below its usual value by the share "drop"; the usual value is the mean of the same series over
 *  the past week, so that a model is compared with itself. A list counts its items, so "throttle
 *  above 0" means throttled. When a rule has been met for "for_s" seconds by any source,
 *  alert.<name> is published as firing, and as resolved when no source meets it any more, says
 *  nothing of the value any more, or has been silent for five minutes.
 *
 *      mlx_rules_t *rules = mlx_rules_new(config, &hooks, &err);
 *      mlx_rules_message(rules, message);
 *      mlx_rules_tick(rules, now_us);         now and then
 *      mlx_rules_destroy(&rules);
 *
 *  Time is that of the messages, in microseconds.
 */
#ifndef MLX_RECORDER_RULES_H
#define MLX_RECORDER_RULES_H

#include "proto/message.h"

typedef struct mlx_rules mlx_rules_t;

typedef struct {
    /*  TOPIC is "alert.<name>", D its data; both borrowed. */
    void (*publish)(void *arg, const char *topic, const mlx_value_t *d);
    void *publish_arg;

    /*  The usual value of SERIES before T_US. False: not enough history. */
    bool (*usual)(void *arg, const char *series, int64_t t_us, double *value);
    void *usual_arg;
} mlx_rules_hooks_t;

/*  RULES is the list of maps of alert.rules. NULL with ERR (usage): a rule without a limit, or with
 *  a name that another has. */
mlx_rules_t *mlx_rules_new(const mlx_value_t *rules, const mlx_rules_hooks_t *hooks,
                           mlx_error_t *err);
void mlx_rules_destroy(mlx_rules_t **self);

void mlx_rules_message(mlx_rules_t *self, const mlx_message_t *message);
void mlx_rules_tick(mlx_rules_t *self, int64_t now_us);

#endif
