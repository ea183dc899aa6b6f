#include "rules.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/held.h"
#include "common/base/units.h"
#include "fields.h"

enum {
    SOURCES_MAX = 64 /* of one rule */
};

#define SILENT_US (INT64_C(300) * 1000000)
#define USUAL_US (INT64_C(600) * 1000000) /* how long a usual value is good for */

typedef struct {
    char *series;
    int64_t met_since; /* 0: not met */
    int64_t seen;
    int64_t usual_at; /* 0: not asked yet */
    double usual;     /* NaN: too little history */
    bool firing;
    bool fresh; /* had a value in the message at hand */
} source_t;

typedef struct {
    char *alert;                      /* topic */
    const char *topic, *field, *text; /* borrowed from the configuration's copy */
    double above, below, drop;        /* NaN: no such limit */
    int64_t for_us;
    source_t sources[SOURCES_MAX];
    size_t n;
    bool firing;
} rule_t;

struct mlx_rules {
    mlx_value_t *config;
    mlx_rules_hooks_t hooks;
    rule_t *all;
    size_t n;
};

static double number_or_nan(const mlx_value_t *map, const char *key)
{
    double value = NAN;
    mlx_value_real(map, key, &value);
    return value;
}

static int read_rule(mlx_rules_t *self, const mlx_value_t *map, mlx_error_t *err)
{
    rule_t *rule = &self->all[self->n++];
    double for_s = 0;
    const char *name = mlx_value_str(map, "name");
    mlx_value_real(map, "for_s", &for_s);
    MLX_CLEANUP(mlx_free_p) char *segment = mlx_topic_segment(name ? name : "");
    *rule = (rule_t){.alert = mlx_format("alert.%s", segment),
                     .topic = mlx_value_str(map, "topic"),
                     .field = mlx_value_str(map, "field"),
                     .text = mlx_value_str(map, "text"),
                     .above = number_or_nan(map, "above"),
                     .below = number_or_nan(map, "below"),
                     .drop = number_or_nan(map, "drop"),
                     .for_us = (int64_t)(fmin(fmax(for_s, 0), 1e9) * 1e6)};
    if (!name || !rule->topic || !rule->field)
        return mlx_error_set(err, MLX_ERR_USAGE, "alert.rules: a rule needs name, topic and field");
    if (isnan(rule->above) && isnan(rule->below) && isnan(rule->drop)) {
        mlx_error_set(err, MLX_ERR_USAGE, "alert.rules: %s has no limit", name);
        return mlx_error_hint(err, "give it above, below or drop");
    }
    for (size_t i = 0; i + 1 < self->n; i++)
        if (strcmp(self->all[i].alert, rule->alert) == 0)
            return mlx_error_set(err, MLX_ERR_USAGE, "alert.rules: %s is defined twice",
                                 rule->alert);
    return 0;
}

mlx_rules_t *mlx_rules_new(const mlx_value_t *rules, const mlx_rules_hooks_t *hooks,
                           mlx_error_t *err)
{
    mlx_rules_t *self = mlx_alloc(1, sizeof *self);
    size_t count = mlx_value_size(rules);
    self->hooks = *hooks;
    self->config = mlx_value_copy(rules);
    self->all = mlx_alloc(count ? count : 1, sizeof *self->all);
    for (size_t i = 0; self && i < count; i++)
        if (read_rule(self, mlx_value_at(self->config, i), err))
            mlx_rules_destroy(&self);
    return self;
}

static void free_rule(rule_t *rule)
{
    for (size_t i = 0; i < rule->n; i++)
        free(rule->sources[i].series);
    free(rule->alert);
}

void mlx_rules_destroy(mlx_rules_t **self)
{
    mlx_rules_t *rules = *self;
    *self = NULL;
    if (!rules)
        return;
    for (size_t i = 0; i < rules->n; i++)
        free_rule(&rules->all[i]);
    free(rules->all);
    mlx_value_destroy(&rules->config);
    free(rules);
}

static source_t *source_of(rule_t *rule, const char *series)
{
    for (size_t i = 0; i < rule->n; i++)
        if (strcmp(rule->sources[i].series, series) == 0)
            return &rule->sources[i];
    if (rule->n == SOURCES_MAX)
        return NULL;
    source_t *source = &rule->sources[rule->n++];
    *source = (source_t){.series = mlx_strdup(series), .usual = NAN};
    return source;
}

/*  The limit that VALUE is beyond, or NaN. */
static double limit_broken(mlx_rules_t *self, const rule_t *rule, source_t *source, double value,
                           int64_t t)
{
    if (value > rule->above)
        return rule->above;
    if (value < rule->below)
        return rule->below;
    if (isnan(rule->drop))
        return NAN;
    if (source->usual_at == 0 || t - source->usual_at > USUAL_US) {
        source->usual_at = t;
        source->usual = NAN;
        if (!self->hooks.usual(self->hooks.usual_arg, source->series, t, &source->usual))
            source->usual = NAN;
    }
    double least = source->usual * (1 - rule->drop);
    return value < least ? least : NAN;
}

typedef struct {
    const mlx_field_t *field;
    double value, limit;
    int64_t t;
} reading_t;

static char *summary_of(const rule_t *rule, const source_t *source, const reading_t *reading)
{
    if (rule->text)
        return mlx_strdup(rule->text);
    MLX_CLEANUP(mlx_free_p) char *value = mlx_format_unit(reading->value, reading->field->unit);
    MLX_CLEANUP(mlx_free_p) char *limit = mlx_format_unit(reading->limit, reading->field->unit);
    return mlx_format("%s is %s, %s %s", source->series, value,
                      reading->value > reading->limit ? "above" : "below", limit);
}

/*  What both kinds of news say. Caller owns it. */
static mlx_value_t *news_of(const rule_t *rule, const source_t *source, int64_t since)
{
    mlx_value_t *d = mlx_value_map();
    const char *topic = strchr(source->series, '/') + 1;
    MLX_CLEANUP(mlx_free_p) char *name = mlx_strndup(topic, strcspn(topic, "/"));
    mlx_value_set_str(d, "state", rule->firing ? "firing" : "resolved");
    mlx_value_set_str(d, "topic", name);
    mlx_value_set_str(d, "field", rule->field);
    mlx_value_set_int(d, "since", since);
    return d;
}

static void publish_firing(mlx_rules_t *self, const rule_t *rule, const source_t *source,
                           const reading_t *reading)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = news_of(rule, source, source->met_since);
    MLX_CLEANUP(mlx_free_p) char *summary = summary_of(rule, source, reading);
    mlx_value_set_str(d, "summary", summary);
    mlx_value_set_real(d, "value", reading->value);
    mlx_value_set_real(d, "threshold", reading->limit);
    self->hooks.publish(self->hooks.publish_arg, rule->alert, d);
}

/*  READING NULL: the source has nothing to say any more. */
static void publish_resolved(mlx_rules_t *self, const rule_t *rule, const source_t *source,
                             const reading_t *reading, int64_t t)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = news_of(rule, source, t);
    MLX_CLEANUP(mlx_free_p)
    char *summary = mlx_format("over: %s", rule->text ? rule->text : source->series);
    mlx_value_set_str(d, "summary", summary);
    if (reading)
        mlx_value_set_real(d, "value", reading->value);
    self->hooks.publish(self->hooks.publish_arg, rule->alert, d);
}

static bool any_fires(const rule_t *rule)
{
    for (size_t i = 0; i < rule->n; i++)
        if (rule->sources[i].firing)
            return true;
    return false;
}

static void end_source(mlx_rules_t *self, rule_t *rule, source_t *source, const reading_t *reading,
                       int64_t t)
{
    source->met_since = 0;
    if (!source->firing)
        return;
    source->firing = false;
    if (any_fires(rule))
        return;
    rule->firing = false;
    publish_resolved(self, rule, source, reading, t);
}

static void evaluate(mlx_rules_t *self, rule_t *rule, source_t *source, reading_t *reading)
{
    source->seen = reading->t;
    source->fresh = true;
    reading->limit = limit_broken(self, rule, source, reading->value, reading->t);
    if (isnan(reading->limit)) {
        end_source(self, rule, source, reading, reading->t);
        return;
    }
    if (source->met_since == 0)
        source->met_since = reading->t;
    if (source->firing || reading->t - source->met_since < rule->for_us)
        return;
    source->firing = true;
    if (rule->firing)
        return;
    rule->firing = true;
    publish_firing(self, rule, source, reading);
}

typedef struct {
    mlx_rules_t *rules;
    rule_t *rule;
    const mlx_message_t *message;
    mlx_buf_t series;
    size_t prefix;
} visit_t;

static void on_number(void *arg, const char *path, const mlx_field_t *field, double value)
{
    visit_t *visit = arg;
    /* What was measured too long ago says nothing about now. */
    if (!mlx_path_is(path, visit->rule->field) ||
        mlx_held_age(visit->message->d, path) > MLX_HELD_STALE_S)
        return;
    visit->series.len = visit->prefix;
    mlx_buf_puts(&visit->series, path);
    source_t *source = source_of(visit->rule, mlx_buf_str(&visit->series));
    reading_t reading = {.field = field, .value = value, .t = visit->message->t};
    if (source)
        evaluate(visit->rules, visit->rule, source, &reading);
}

/*  What this topic used to say and now does not is no longer so. */
static void end_absent(visit_t *visit)
{
    rule_t *rule = visit->rule;
    for (size_t i = 0; i < rule->n; i++) {
        source_t *source = &rule->sources[i];
        if (!source->fresh && strncmp(source->series, visit->series.data, visit->prefix) == 0)
            end_source(visit->rules, rule, source, NULL, visit->message->t);
        source->fresh = false;
    }
}

void mlx_rules_message(mlx_rules_t *self, const mlx_message_t *message)
{
    const mlx_topic_t *topic = mlx_catalogue_find(message->topic);
    visit_t visit = {.rules = self, .message = message};
    for (size_t i = 0; i < self->n; i++) {
        visit.rule = &self->all[i];
        if (fnmatch(visit.rule->topic, message->topic, 0) != 0)
            continue;
        mlx_buf_reset(&visit.series);
        mlx_series_prefix(&visit.series, message->host, message->topic);
        visit.prefix = visit.series.len;
        mlx_fields_each(topic, message->d, on_number, &visit);
        end_absent(&visit);
    }
    mlx_buf_clear(&visit.series);
}

void mlx_rules_tick(mlx_rules_t *self, int64_t now_us)
{
    for (size_t i = 0; i < self->n; i++) {
        rule_t *rule = &self->all[i];
        for (size_t k = 0; k < rule->n;) {
            source_t *source = &rule->sources[k];
            if (now_us - source->seen < SILENT_US) {
                k++;
                continue;
            }
            end_source(self, rule, source, NULL, now_us);
            free(source->series);
            *source = rule->sources[--rule->n];
        }
    }
}
