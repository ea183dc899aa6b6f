#include "findings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CLEAR_US INT64_C(30000000) /* not met for that long: it is over */

typedef struct {
    int64_t met_since; /* 0: not met */
    int64_t met_at;    /* last */
    bool firing;
    mlx_finding_t told;
} state_t;

struct mlx_findings {
    mlx_findings_hooks_t hooks;
    mlx_facts_t *facts;
    state_t *states; /* one a rule */
};

mlx_findings_t *mlx_findings_new(const mlx_findings_hooks_t *hooks)
{
    size_t count;
    mlx_finding_rules(&count);
    mlx_findings_t *self = mlx_alloc(1, sizeof *self);
    self->hooks = *hooks;
    self->facts = mlx_facts_new();
    self->states = mlx_alloc(count, sizeof *self->states);
    return self;
}

void mlx_findings_destroy(mlx_findings_t **self_p)
{
    mlx_findings_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_facts_destroy(&self->facts);
    free(self->states);
    free(self);
}

void mlx_findings_message(mlx_findings_t *self, const mlx_message_t *message)
{
    mlx_facts_message(self->facts, message);
}

void mlx_findings_slower(mlx_findings_t *self, const mlx_slower_t *slower)
{
    self->facts->slower = slower;
}

static void publish(const mlx_findings_t *self, const mlx_finding_rule_t *rule,
                    const state_t *state, int64_t since)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_value_map();
    MLX_CLEANUP(mlx_free_p) char *topic = mlx_format("finding.%s", rule->name);
    mlx_value_set_str(d, "state", state->firing ? "firing" : "resolved");
    mlx_value_set_str(d, "summary", state->told.summary);
    mlx_value_set_str(d, "remedy", state->told.remedy);
    mlx_value_set_str(d, "subject", state->told.subject);
    mlx_value_set_real(d, "value", state->told.value);
    mlx_value_set_real(d, "threshold", state->told.threshold);
    mlx_value_set_int(d, "since", since);
    self->hooks.publish(self->hooks.arg, topic, d);
}

static void see(const mlx_findings_t *self, const mlx_finding_rule_t *rule, state_t *state,
                int64_t now_us)
{
    mlx_finding_t found = {.value = (double)NAN, .threshold = (double)NAN};
    if (rule->met(self->facts, now_us, &found)) {
        bool news = !state->firing || strcmp(found.subject, state->told.subject) != 0;
        if (!state->met_since)
            state->met_since = now_us;
        state->met_at = now_us;
        if (now_us - state->met_since < rule->for_s * INT64_C(1000000) || !news)
            return;
        state->told = found;
        state->firing = true;
        publish(self, rule, state, state->met_since);
        return;
    }
    if (!state->firing)
        state->met_since = 0;
    if (!state->firing || now_us - state->met_at < CLEAR_US)
        return;
    state->firing = false;
    state->met_since = 0;
    publish(self, rule, state, now_us);
}

void mlx_findings_tick(mlx_findings_t *self, int64_t now_us)
{
    size_t count;
    const mlx_finding_rule_t *rules = mlx_finding_rules(&count);
    for (size_t i = 0; i < count; i++)
        see(self, &rules[i], &self->states[i], now_us);
}
