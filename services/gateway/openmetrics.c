#include "openmetrics.h"

#include <math.h>
#include <string.h>

#include "proto/catalogue.h"
#include "proto/json.h"

enum {
    ITEMS_MAX = 256 /* of one list: what a model server claims to hold is its word alone */
};

/*  One family on its way out; begun with its first sample. */
typedef struct {
    const mlx_overview_t *overview;
    int64_t now_us;
    mlx_metrics_format_t format;
    mlx_buf_t *out;
    const mlx_topic_t *topic;
    const mlx_field_t *list;  /* whose items hold the field, or NULL */
    const mlx_field_t *field; /* what the family is made of */
    bool begun;
} family_t;

static const struct {
    const char *type;   /* in OpenMetrics */
    const char *text;   /* in 0.0.4 */
    const char *suffix; /* of a sample */
} kinds[] = {
    [MLX_METRIC_GAUGE] = {"gauge", "gauge", ""},
    [MLX_METRIC_COUNTER] = {"counter", "counter", "_total"},
    [MLX_METRIC_INFO] = {"info", "gauge", "_info"},
    [MLX_METRIC_STATE] = {"gauge", "gauge", ""},
};

mlx_metrics_format_t mlx_openmetrics_negotiate(const char *accept)
{
    return accept && strstr(accept, "application/openmetrics-text") ? MLX_METRICS_OPENMETRICS
                                                                    : MLX_METRICS_TEXT;
}

const char *mlx_openmetrics_type(mlx_metrics_format_t format)
{
    return format == MLX_METRICS_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

/* ---- the head of a family ---- */

/*  The unit, where it is the end of NAME as OpenMetrics wants it. */
static const char *unit_of(const mlx_field_t *field)
{
    const char *unit = mlx_unit_name(field->unit);
    size_t len = strlen(field->metric), tail = strlen(unit);
    bool ends = tail > 0 && len > tail + 1 && field->metric[len - tail - 1] == '_' &&
                strcmp(field->metric + len - tail, unit) == 0;
    return ends ? unit : NULL;
}

static void begin(family_t *family)
{
    const mlx_field_t *field = family->field;
    bool open = family->format == MLX_METRICS_OPENMETRICS;
    const char *suffix = open ? "" : kinds[field->kind].suffix;
    const char *type = open ? kinds[field->kind].type : kinds[field->kind].text;
    if (family->begun)
        return;
    family->begun = true;
    mlx_buf_printf(family->out, "# HELP %s%s ", field->metric, suffix);
    if (field->is)
        mlx_buf_printf(family->out, "1 when %s: ", field->is);
    mlx_buf_printf(family->out, "%s\n", field->help);
    mlx_buf_printf(family->out, "# TYPE %s%s %s\n", field->metric, suffix, type);
    if (unit_of(field))
        mlx_buf_printf(family->out, "# UNIT %s%s %s\n", field->metric, suffix, unit_of(field));
}

/* ---- labels ---- */

/*  NAME="TEXT". A JSON string is escaped as a label is once there are no control characters but the
 *  line feed in it; they are replaced, since a NUL ends the input of some readers. */
void mlx_openmetrics_label(mlx_buf_t *out, const char *name, size_t name_len, const char *text,
                           size_t len)
{
    MLX_CLEANUP(mlx_free_p) char *clean = mlx_strndup(text, len);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        clean[i] = (c < 0x20 && c != '\n') || c == 0x7f ? '?' : text[i];
    }
    if (mlx_buf_str(out)[out->len - 1] != '{')
        mlx_buf_putc(out, ',');
    mlx_buf_append(out, name, name_len);
    mlx_buf_putc(out, '=');
    mlx_json_write_str(out, clean, len);
}

/*  The words of NAME that stand at the <segments> of PATTERN, called as LABELS says. */
static void put_segments(mlx_buf_t *out, const char *pattern, const char *labels, const char *name)
{
    while (labels && *labels && *pattern && *name) {
        size_t want = strcspn(pattern, "."), have = strcspn(name, ".");
        if (*pattern == '<') {
            size_t len = strcspn(labels, ",");
            mlx_openmetrics_label(out, labels, len, name, have);
            labels += len + (labels[len] == ',');
        }
        pattern += want + (pattern[want] == '.');
        name += have + (name[have] == '.');
    }
}

/*  The labels that the fields of MAP say it is known by. */
static void put_identity(mlx_buf_t *out, const mlx_field_t *fields, const mlx_value_t *map)
{
    for (; fields && fields->key; fields++) {
        size_t len;
        const char *text =
            fields->label ? mlx_value_as_str(mlx_value_get(map, fields->key), &len) : NULL;
        if (text)
            mlx_openmetrics_label(out, fields->label, strlen(fields->label), text, len);
    }
}

/* ---- samples ---- */

static void put_truth(mlx_buf_t *out, bool truth)
{
    mlx_buf_putc(out, truth ? '1' : '0');
}

/*  Append the number, or nothing at all when VALUE is not what the field should be. */
static void put_number(const mlx_field_t *field, const mlx_value_t *value, mlx_buf_t *out)
{
    bool truth;
    double real;
    const char *text = mlx_value_as_str(value, NULL);
    if (field->kind == MLX_METRIC_INFO) {
        put_truth(out, true);
    } else if (field->kind == MLX_METRIC_STATE) {
        if (text)
            put_truth(out, strcmp(text, field->is) == 0);
    } else if (field->type == MLX_BOOL) {
        if (mlx_value_as_bool(value, &truth))
            put_truth(out, truth);
    } else if (mlx_value_as_real(value, &real) && isfinite(real) &&
               (field->kind != MLX_METRIC_COUNTER || real >= 0)) {
        mlx_json_write(out, value, false);
    }
}

/*  ITEM: the map in a list that holds the value, or NULL. */
static void sample(family_t *family, const mlx_message_t *message, const mlx_value_t *item,
                   const mlx_value_t *value)
{
    const mlx_field_t *field = family->field;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t number = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t labels = {0};
    put_number(field, value, &number);
    if (number.len == 0)
        return;
    mlx_buf_putc(&labels, '{');
    mlx_openmetrics_label(&labels, "host", strlen("host"), message->host, strlen(message->host));
    put_segments(&labels, family->topic->pattern, family->topic->labels, message->topic);
    put_identity(&labels, family->topic->fields, message->d);
    if (item)
        put_identity(&labels, family->list->fields, item);
    begin(family);
    mlx_buf_printf(family->out, "%s%s%s} %s\n", field->metric, kinds[field->kind].suffix,
                   mlx_buf_str(&labels), mlx_buf_str(&number));
}

static bool same_identity(const mlx_field_t *fields, const mlx_value_t *a, const mlx_value_t *b)
{
    for (; fields && fields->key; fields++)
        if (fields->label &&
            !mlx_value_equal(mlx_value_get(a, fields->key), mlx_value_get(b, fields->key)))
            return false;
    return true;
}

/*  A scrape with the same series twice is refused as a whole: of such items the first counts. */
static bool seen_before(const mlx_field_t *fields, const mlx_value_t *list, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (same_identity(fields, mlx_value_at(list, i), mlx_value_at(list, index)))
            return true;
    return false;
}

static void sample_items(family_t *family, const mlx_message_t *message)
{
    const mlx_value_t *list = mlx_value_get(message->d, family->list->key);
    for (size_t i = 0; i < mlx_value_size(list) && i < ITEMS_MAX; i++) {
        const mlx_value_t *item = mlx_value_at(list, i);
        const mlx_value_t *value =
            family->field == family->list ? item : mlx_value_get(item, family->field->key);
        if (value && !seen_before(family->list->fields, list, i))
            sample(family, message, item, value);
    }
}

/* ---- which messages ---- */

typedef struct {
    const char *host;
    const char *src;
    bool alive;
} source_t;

static void look_for_source(void *arg, const mlx_message_t *message, int64_t age_us)
{
    source_t *source = arg;
    const char *name = message->topic + strlen("service.");
    size_t len = strlen(source->src);
    if (strcmp(message->host, source->host) == 0 && strncmp(name, source->src, len) == 0 &&
        name[len] == '.' && age_us <= MLX_OVERVIEW_STALE_US)
        source->alive = true;
}

/*  Values are repeated while they hold, but for an alert and a finding, which hold as long as their
 *  source lives. */
static bool fresh(const family_t *family, const mlx_message_t *message, int64_t age_us)
{
    source_t source = {.host = message->host, .src = message->src};
    if (age_us <= MLX_OVERVIEW_STALE_US)
        return true;
    if (strncmp(message->topic, "alert.", strlen("alert.")) != 0 &&
        strncmp(message->topic, "finding.", strlen("finding.")) != 0)
        return false;
    mlx_overview_each(family->overview, "service.", family->now_us, look_for_source, &source);
    return source.alive;
}

static void on_message(void *arg, const mlx_message_t *message, int64_t age_us)
{
    family_t *family = arg;
    if (mlx_catalogue_find(message->topic) != family->topic || !fresh(family, message, age_us))
        return;
    const mlx_value_t *value = mlx_value_get(message->d, family->field->key);
    if (family->list)
        sample_items(family, message);
    else if (value)
        sample(family, message, NULL, value);
}

static void write_family(family_t family)
{
    MLX_CLEANUP(mlx_free_p)
    char *prefix = mlx_strndup(family.topic->pattern, strcspn(family.topic->pattern, "<"));
    mlx_overview_each(family.overview, prefix, family.now_us, on_message, &family);
}

void mlx_openmetrics_write(const mlx_overview_t *overview, int64_t now_us,
                           mlx_metrics_format_t format, mlx_buf_t *out)
{
    size_t count;
    const mlx_topic_t *topics = mlx_catalogue_topics(&count);
    family_t family = {.overview = overview, .now_us = now_us, .format = format, .out = out};
    for (family.topic = topics; family.topic < topics + count; family.topic++)
        for (const mlx_field_t *field = family.topic->fields; field->key; field++) {
            family.list = field->kind == MLX_METRIC_INFO ? field : NULL;
            family.field = field;
            if (field->metric)
                write_family(family);
            family.list = field->type == MLX_LIST ? field : NULL;
            for (family.field = field->fields; family.list && family.field && family.field->key;
                 family.field++)
                if (family.field->metric)
                    write_family(family);
        }
}

void mlx_openmetrics_end(mlx_buf_t *out)
{
    mlx_buf_puts(out, "# EOF\n");
}
