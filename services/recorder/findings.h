/*  findings.h - why a machine is slow for its models, in a sentence with numbers and what helps
 *
 *  A table of rules, each of which looks at the facts (facts.h). One that has been met for its time
 *  is published as finding.<rule>, state "firing"; when it has not been met for half a minute, as
 *  "resolved". A rule whose evidence is not on the bus says nothing.
 *
 *      mlx_findings_t *findings = mlx_findings_new(&hooks);
 *      mlx_findings_message(findings, message);         each message of this machine
 *      mlx_findings_tick(findings, now_us);             every few seconds
 *      mlx_findings_destroy(&findings);
 *
 *  Time is that of the messages, in microseconds.
 */
#ifndef MLX_RECORDER_FINDINGS_H
#define MLX_RECORDER_FINDINGS_H

#include "facts.h"

typedef struct mlx_findings mlx_findings_t;

/*  What one rule has found. */
typedef struct {
    char subject[320];
    char summary[512]; /* for a person, with the numbers */
    char remedy[352];  /* what helps, with the command */
    double value, threshold;
} mlx_finding_t;

typedef struct {
    const char *name; /* a segment of the topic */
    int for_s;        /* that it must be met before it is told */
    const char *help;
    bool (*met)(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out);
} mlx_finding_rule_t;

/*  All rules; static storage. */
const mlx_finding_rule_t *mlx_finding_rules(size_t *count);

typedef struct {
    /*  TOPIC is "finding.<rule>", D its data; both borrowed. */
    void (*publish)(void *arg, const char *topic, const mlx_value_t *d);
    void *arg;
} mlx_findings_hooks_t;

mlx_findings_t *mlx_findings_new(const mlx_findings_hooks_t *hooks);
void mlx_findings_destroy(mlx_findings_t **self);

void mlx_findings_message(mlx_findings_t *self, const mlx_message_t *message);
/*  SLOWER (or NULL) is what the watch over speeds has found. */
void mlx_findings_slower(mlx_findings_t *self, const mlx_slower_t *slower);

void mlx_findings_tick(mlx_findings_t *self, int64_t now_us);

#endif
