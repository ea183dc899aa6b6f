#include "findings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CLEAR_US INT64_C(30000000)       /* not met for that long: it is over */
#define CLEAR_MOST_US INT64_C(900000000) /* of one that came back again and again */
#define AGAIN_US INT64_C(600000000)      /* one that is back so soon flaps */
#define BACK_US INT64_C(5000000)
#define GAP_US INT64_C(150000000)

typedef struct {
    int64_t met_since; /* 0: not met */
    int64_t met_at;    /* last */
    int64_t same_at;   /* last of the subject that was told */
    int64_t over_at;   /* when it was resolved; 0: never */
    int64_t clear_us;  /* not met for that long: it is over */
    bool firing;
    mlx_finding_t told;
} state_t;

struct mlx_findings {
    mlx_findings_hooks_t hooks;
    mlx_facts_t *facts;
    state_t *states; /* one a rule */
    int64_t ticked_at;
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

/*  One that comes back soon after its end stands longer the next time: it is told a few times, not
 *  all day. */
static void begin(state_t *state, int64_t now_us)
{
    bool flaps = state->over_at && now_us - state->over_at < AGAIN_US;
    if (state->firing)
        return;
    state->clear_us = flaps ? 4 * state->clear_us : CLEAR_US;
    if (state->clear_us > CLEAR_MOST_US)
        state->clear_us = CLEAR_MOST_US;
    state->firing = true;
}

static void see_met(const mlx_findings_t *self, const mlx_finding_rule_t *rule, state_t *state,
                    const mlx_finding_t *found, int64_t now_us)
{
    bool same = strcmp(found->subject, state->told.subject) == 0;
    if (!state->met_since)
        state->met_since = now_us;
    state->met_at = now_us;
    if (state->firing && same)
        state->same_at = now_us;
    /* Of two that are both met now the one that was told first stays. */
    bool news = !state->firing || (!same && now_us - state->same_at >= CLEAR_US);
    if (now_us - state->met_since < rule->for_s * INT64_C(1000000) || !news)
        return;
    begin(state, now_us);
    state->told = *found;
    state->same_at = now_us;
    publish(self, rule, state, state->met_since);
}

static void see(const mlx_findings_t *self, const mlx_finding_rule_t *rule, state_t *state,
                int64_t now_us)
{
    mlx_finding_t found = {.value = (double)NAN, .threshold = (double)NAN};
    if (rule->met(self->facts, now_us, &found)) {
        see_met(self, rule, state, &found, now_us);
        return;
    }
    if (!state->firing)
        state->met_since = 0;
    if (!state->firing || now_us - state->met_at < state->clear_us)
        return;
    state->firing = false;
    state->met_since = 0;
    state->over_at = now_us;
    publish(self, rule, state, now_us);
}

/*  The clock was set, or the machine slept: how long something took cannot be told across that.
 *  What is on the bus is said again in a few seconds; what stands, stands until it is not. */
static void begin_anew(mlx_findings_t *self, int64_t now_us)
{
    size_t count;
    const mlx_slower_t *slower = self->facts->slower;
    mlx_finding_rules(&count);
    mlx_facts_destroy(&self->facts);
    self->facts = mlx_facts_new();
    self->facts->slower = slower;
    for (size_t i = 0; i < count; i++) {
        state_t *state = &self->states[i];
        state->met_since = state->firing ? now_us : 0;
        state->met_at = state->same_at = now_us;
        state->over_at = state->over_at ? now_us : 0;
    }
}

void mlx_findings_tick(mlx_findings_t *self, int64_t now_us)
{
    size_t count;
    const mlx_finding_rule_t *rules = mlx_finding_rules(&count);
    int64_t gap = now_us - self->ticked_at;
    if (self->ticked_at && (gap < -BACK_US || gap > GAP_US))
        begin_anew(self, now_us);
    self->ticked_at = now_us;
    for (size_t i = 0; i < count; i++)
        see(self, &rules[i], &self->states[i], now_us);
}
