#include "otlp_body.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "proto/otel.h"
#include "proto/utf8.h"

enum {
    CUMULATIVE = 2, /* AGGREGATION_TEMPORALITY_CUMULATIVE */
    SPAN_CLIENT = 3,
    STATUS_ERROR = 2,
    ITEMS_MAX = 64, /* of one list */
    TEXT_MAX = 255,
    WORD_MAX = 64
};

#define SCHEMA "https://opentelemetry.io/schemas/1.41.1"

/* ---- small parts ---- */

static void set_number_text(mlx_value_t *map, const char *key, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    mlx_value_set_str(map, key, text);
}

static void set_nanoseconds(mlx_value_t *map, const char *key, int64_t us)
{
    set_number_text(map, key, (uint64_t)us * 1000);
}

static mlx_value_t *add_attribute(mlx_value_t *list, const char *key)
{
    mlx_value_t *attribute = mlx_value_append(list, mlx_value_map());
    mlx_value_set_str(attribute, "key", key);
    return mlx_value_set(attribute, "value", mlx_value_map());
}

static void add_text(mlx_value_t *list, const char *key, const char *text)
{
    MLX_CLEANUP(mlx_free_p) char *line = text ? mlx_utf8_line(text, TEXT_MAX) : NULL;
    if (line && *line)
        mlx_value_set_str(add_attribute(list, key), "stringValue", line);
}

/*  The whole number KEY of D, if it has one. */
static void add_whole(mlx_value_t *list, const char *name, const mlx_value_t *d, const char *key)
{
    int64_t whole;
    if (mlx_value_int(d, key, &whole) && whole >= 0)
        set_number_text(add_attribute(list, name), "intValue", (uint64_t)whole);
}

static void add_real(mlx_value_t *list, const char *name, const mlx_value_t *d, const char *key)
{
    double real;
    if (mlx_value_real(d, key, &real) && isfinite(real))
        mlx_value_set_real(add_attribute(list, name), "doubleValue", real);
}

static mlx_value_t *attributes_of(const mlx_value_t *map)
{
    mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; i < mlx_value_size(map); i++)
        add_text(list, mlx_value_key(map, i), mlx_value_as_str(mlx_value_at(map, i), NULL));
    return list;
}

/*  {OUTER: [{resource, INNER: [{scope, …}]}]}; returns the place of what the scope holds. */
static mlx_value_t *frame(mlx_value_t *body, const char *outer, const char *inner,
                          const mlx_value_t *resource)
{
    mlx_value_t *list = mlx_value_set(body, outer, mlx_value_list());
    mlx_value_t *entry = mlx_value_append(list, mlx_value_map());
    mlx_value_t *who = mlx_value_set(entry, "resource", mlx_value_map());
    mlx_value_set(who, "attributes", attributes_of(resource));
    mlx_value_t *scopes = mlx_value_set(entry, inner, mlx_value_list());
    mlx_value_set_str(entry, "schemaUrl", SCHEMA);
    mlx_value_t *content = mlx_value_append(scopes, mlx_value_map());
    mlx_value_t *scope = mlx_value_set(content, "scope", mlx_value_map());
    mlx_value_set_str(scope, "name", "mlx.gateway");
    mlx_value_set_str(scope, "version", MLX_VERSION);
    return content;
}

/*  Where a runtime is asked, by the URL that it is known by; nothing of a user or a path in it. */
static void add_server(mlx_value_t *list, const mlx_overview_t *overview, const char *runtime,
                       const char *endpoint, int64_t now_us)
{
    MLX_CLEANUP(mlx_free_p) char *topic = mlx_format("runtime.%s.%s.models", runtime, endpoint);
    const char *url = mlx_value_str(mlx_overview_get(overview, topic, now_us, NULL), "url");
    const char *host = url ? strstr(url, "://") : NULL;
    if (!host)
        return;
    host += strlen("://");
    size_t len = strcspn(host, "/?#");
    const char *user = memchr(host, '@', len);
    len -= user ? (size_t)(user + 1 - host) : 0;
    host = user ? user + 1 : host;
    size_t name_len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    if (name_len > len)
        return;
    MLX_CLEANUP(mlx_free_p) char *name = mlx_strndup(host, name_len);
    int port = host[name_len] == ':' ? atoi(host + name_len + 1) : 0;
    add_text(list, "server.address", name);
    if (port > 0 && port <= UINT16_MAX)
        set_number_text(add_attribute(list, "server.port"), "intValue", (uint64_t)port);
}

/* ---- metrics ---- */

typedef struct {
    mlx_value_t *metrics;
    const mlx_overview_t *overview;
    int64_t now_us;
    const mlx_otel_name_t *name; /* of a reading */
    size_t measure;              /* of a histogram: its index, and */
    const mlx_measure_name_t *alias;
} writer_t;

/*  The data points of the metric NAME, which is made if it is not the newest one. */
static mlx_value_t *points_of(mlx_value_t *metrics, const char *name, const char *unit,
                              const char *help, const char *kind)
{
    size_t count = mlx_value_size(metrics);
    mlx_value_t *metric = count ? mlx_value_at(metrics, count - 1) : NULL;
    const char *newest = mlx_value_str(metric, "name");
    if (newest && strcmp(newest, name) == 0)
        return mlx_value_get(mlx_value_get(metric, kind), "dataPoints");
    metric = mlx_value_append(metrics, mlx_value_map());
    mlx_value_set_str(metric, "name", name);
    mlx_value_set_str(metric, "unit", unit);
    mlx_value_set_str(metric, "description", help);
    mlx_value_t *data = mlx_value_set(metric, kind, mlx_value_map());
    if (strcmp(kind, "gauge") != 0)
        mlx_value_set_int(data, "aggregationTemporality", CUMULATIVE);
    return mlx_value_set(data, "dataPoints", mlx_value_list());
}

/*  The attributes that PAIRS ("a=b c=d") name: with the word behind "=" itself, or the text that
 *  ITEM has under it. */
static void add_pairs(mlx_value_t *list, const char *pairs, const mlx_value_t *item)
{
    char key[WORD_MAX], word[WORD_MAX];
    int used;
    while (pairs && sscanf(pairs, " %63[^= ]=%63[^ ]%n", key, word, &used) == 2) {
        add_text(list, key, item ? mlx_value_str(item, word) : word);
        pairs += used;
    }
}

static const mlx_field_t *field_of(const mlx_otel_name_t *name)
{
    const mlx_field_t *fields = mlx_catalogue_find(name->topic)->fields;
    const mlx_field_t *list = name->list ? mlx_field_find(fields, name->list) : NULL;
    return mlx_field_find(list ? list->fields : fields, name->key);
}

static bool has_attribute(const mlx_value_t *list, const char *key)
{
    for (size_t i = 0; i < mlx_value_size(list); i++)
        if (strcmp(mlx_value_str(mlx_value_at(list, i), "key"), key) == 0)
            return true;
    return false;
}

static void put_reading(writer_t *writer, const mlx_message_t *message, const mlx_value_t *item)
{
    const mlx_otel_name_t *name = writer->name;
    const mlx_field_t *field = field_of(name);
    const mlx_value_t *value = mlx_value_get(item, name->key);
    double real;
    int64_t whole;
    if (!mlx_value_as_real(value, &real) || !isfinite(real))
        return;
    mlx_value_t *points = points_of(writer->metrics, name->name, mlx_otel_unit(field->unit),
                                    field->help, name->adds_up ? "sum" : "gauge");
    mlx_value_t *metric = mlx_value_at(writer->metrics, mlx_value_size(writer->metrics) - 1);
    if (name->adds_up)
        mlx_value_set_bool(mlx_value_get(metric, "sum"), "isMonotonic",
                           field->kind == MLX_METRIC_COUNTER);
    mlx_value_t *point = mlx_value_append(points, mlx_value_map());
    mlx_value_t *attributes = mlx_value_set(point, "attributes", mlx_value_list());
    add_pairs(attributes, name->fixed, NULL);
    add_pairs(attributes, name->taken, item);
    if (name->taken && !has_attribute(attributes, "hw.id"))
        add_text(attributes, "hw.id", message->topic);
    set_nanoseconds(point, "timeUnixNano", message->t);
    if (field->type == MLX_INT && mlx_value_as_int(value, &whole) && whole >= 0)
        set_number_text(point, "asInt", (uint64_t)whole);
    else
        mlx_value_set_real(point, "asDouble", real);
}

static void on_message(void *arg, const mlx_message_t *message, int64_t age_us)
{
    writer_t *writer = arg;
    const mlx_topic_t *topic = mlx_catalogue_find(message->topic);
    const char *host = mlx_overview_host(writer->overview);
    if (!topic || strcmp(topic->pattern, writer->name->topic) != 0 || !host ||
        strcmp(message->host, host) != 0 || mlx_overview_stale(message->topic, age_us))
        return;
    if (!writer->name->list) {
        put_reading(writer, message, message->d);
        return;
    }
    const mlx_value_t *list = mlx_value_get(message->d, writer->name->list);
    for (size_t i = 0; i < mlx_value_size(list) && i < ITEMS_MAX; i++)
        put_reading(writer, message, mlx_value_at(list, i));
}

/* ---- histograms ---- */

static void put_buckets(mlx_value_t *point, const mlx_histogram_t *histogram, const double *bounds)
{
    mlx_value_t *counts = mlx_value_set(point, "bucketCounts", mlx_value_list());
    mlx_value_t *limits = mlx_value_set(point, "explicitBounds", mlx_value_list());
    uint64_t below = 0;
    char text[24];
    for (; *bounds > 0; bounds++) {
        uint64_t upto = mlx_histogram_upto(histogram, *bounds);
        snprintf(text, sizeof text, "%" PRIu64, upto - below);
        mlx_value_append(counts, mlx_value_new_str(text));
        mlx_value_append(limits, mlx_value_new_real(*bounds));
        below = upto;
    }
    snprintf(text, sizeof text, "%" PRIu64, mlx_histogram_count(histogram) - below);
    mlx_value_append(counts, mlx_value_new_str(text));
}

static void add_request(mlx_value_t *list, const char *operation, const char *provider,
                        const char *model, const char *outcome)
{
    add_text(list, "gen_ai.operation.name", *operation ? operation : "_OTHER");
    add_text(list, "gen_ai.provider.name", provider);
    add_text(list, "gen_ai.request.model", model);
    if (strcmp(outcome, "ok") != 0)
        add_text(list, "error.type", outcome);
}

static void put_histogram(void *arg, const mlx_request_group_t *group)
{
    writer_t *writer = arg;
    size_t count;
    const mlx_measure_t *measure = &mlx_measures(&count)[writer->measure];
    const mlx_histogram_t *histogram = group->of[writer->measure];
    const char *host = mlx_overview_host(writer->overview);
    if (!histogram || mlx_histogram_count(histogram) == 0 || !host ||
        strcmp(group->host, host) != 0)
        return;
    mlx_value_t *points = points_of(writer->metrics, writer->alias->name,
                                    mlx_otel_unit(measure->unit), measure->help, "histogram");
    mlx_value_t *point = mlx_value_append(points, mlx_value_map());
    mlx_value_t *attributes = mlx_value_set(point, "attributes", mlx_value_list());
    add_request(attributes, group->operation, group->runtime, group->model, group->outcome);
    add_server(attributes, writer->overview, group->runtime, group->endpoint, writer->now_us);
    add_text(attributes, "gen_ai.token.type", writer->alias->token_type);
    set_nanoseconds(point, "startTimeUnixNano", group->since);
    set_nanoseconds(point, "timeUnixNano", writer->now_us);
    set_number_text(point, "count", mlx_histogram_count(histogram));
    mlx_value_set_real(point, "sum", mlx_histogram_sum(histogram));
    put_buckets(point, histogram, writer->alias->bounds);
}

mlx_value_t *mlx_otlp_metrics_body(const mlx_value_t *resource, const mlx_overview_t *overview,
                                   const mlx_request_stats_t *stats, int64_t now_us)
{
    size_t count;
    mlx_value_t *body = mlx_value_map();
    mlx_value_t *scope = frame(body, "resourceMetrics", "scopeMetrics", resource);
    writer_t writer = {.metrics = mlx_value_set(scope, "metrics", mlx_value_list()),
                       .overview = overview,
                       .now_us = now_us};
    const mlx_otel_name_t *names = mlx_otel_names(&count);
    for (writer.name = names; writer.name < names + count; writer.name++)
        mlx_overview_each(overview, "sensor.", now_us, on_message, &writer);
    const mlx_measure_t *measures = mlx_measures(&count);
    for (writer.measure = 0; writer.measure < count; writer.measure++)
        for (size_t i = 0; i < MLX_MEASURE_NAMES; i++) {
            writer.alias = &measures[writer.measure].otel[i];
            if (writer.alias->name)
                mlx_request_stats_each(stats, put_histogram, &writer);
        }
    return body;
}

size_t mlx_otlp_points(const mlx_value_t *body)
{
    static const char *const kinds[] = {"gauge", "sum", "histogram"};
    const mlx_value_t *entry = mlx_value_at(mlx_value_get(body, "resourceMetrics"), 0);
    const mlx_value_t *scope = mlx_value_at(mlx_value_get(entry, "scopeMetrics"), 0);
    const mlx_value_t *metrics = mlx_value_get(scope, "metrics");
    size_t points = 0;
    for (size_t i = 0; i < mlx_value_size(metrics); i++)
        for (size_t k = 0; k < MLX_COUNT(kinds); k++)
            points += mlx_value_size(
                mlx_value_get(mlx_value_get(mlx_value_at(metrics, i), kinds[k]), "dataPoints"));
    return points;
}

/* ---- spans ---- */

static void set_id(mlx_value_t *map, const char *key, uint64_t high, uint64_t low)
{
    char text[33];
    if (high)
        snprintf(text, sizeof text, "%016" PRIx64 "%016" PRIx64, high, low);
    else
        snprintf(text, sizeof text, "%016" PRIx64, low);
    mlx_value_set_str(map, key, text);
}

static void set_attributes(mlx_value_t *span, const mlx_message_t *message,
                           const mlx_overview_t *overview)
{
    const mlx_value_t *d = message->d;
    const char *kind = message->topic + strlen("runtime.");
    const char *place = kind + strcspn(kind, ".") + 1;
    mlx_value_t *list = mlx_value_set(span, "attributes", mlx_value_list());
    MLX_CLEANUP(mlx_free_p) char *runtime = mlx_strndup(kind, strcspn(kind, "."));
    MLX_CLEANUP(mlx_free_p) char *endpoint = mlx_strndup(place, strcspn(place, "."));
    add_request(list, mlx_request_operation(message), runtime, mlx_value_str(d, "model"),
                mlx_request_outcome(message));
    add_server(list, overview, runtime, endpoint, message->t);
    add_whole(list, "gen_ai.usage.input_tokens", d, "prompt_tokens");
    add_whole(list, "gen_ai.usage.output_tokens", d, "tokens");
    add_whole(list, "gen_ai.usage.cache_read.input_tokens", d, "cached_tokens");
    add_whole(list, "http.response.status_code", d, "status");
    add_real(list, "gen_ai.response.time_to_first_chunk", d, "ttft");
    add_real(list, "mlx.request.queue", d, "queue");
    add_real(list, "mlx.request.tokens_per_second", d, "tokens_per_second");
}

mlx_value_t *mlx_otlp_span(const mlx_message_t *message, const mlx_overview_t *overview)
{
    int64_t start, end;
    const char *model = mlx_value_str(message->d, "model");
    const char *outcome = mlx_request_outcome(message);
    if (!mlx_value_int(message->d, "start", &start) || !mlx_value_int(message->d, "end", &end) ||
        start < 0 || end < start || end > MLX_TIME_MAX_US)
        return NULL;
    mlx_exemplar_t trace = mlx_request_trace(message);
    MLX_CLEANUP(mlx_free_p)
    char *name =
        mlx_format("%s%s%s", mlx_request_operation(message), model ? " " : "", model ? model : "");
    MLX_CLEANUP(mlx_free_p) char *line = mlx_utf8_line(name, TEXT_MAX);
    mlx_value_t *span = mlx_value_map();
    set_id(span, "traceId", trace.trace[0], trace.trace[1]);
    set_id(span, "spanId", 0, trace.span);
    mlx_value_set_str(span, "name", line);
    mlx_value_set_int(span, "kind", SPAN_CLIENT);
    set_nanoseconds(span, "startTimeUnixNano", start);
    set_nanoseconds(span, "endTimeUnixNano", end);
    set_attributes(span, message, overview);
    if (strcmp(outcome, "ok") != 0) {
        mlx_value_t *status = mlx_value_set(span, "status", mlx_value_map());
        mlx_value_set_int(status, "code", STATUS_ERROR);
        mlx_value_set_str(status, "message", outcome);
    }
    return span;
}

/*  Spans wait as texts, a fifth of what their trees take; they go where the frame's empty list is.
 *  In the text of an attribute its quotation marks would have backslashes. */
void mlx_otlp_traces_body(const mlx_value_t *resource, char *const *spans, size_t count,
                          mlx_buf_t *out)
{
    static const char empty[] = "\"spans\":[]";
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *body = mlx_value_map();
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_value_set(frame(body, "resourceSpans", "scopeSpans", resource), "spans", mlx_value_list());
    mlx_json_write(&text, body, false);
    const char *at = strstr(mlx_buf_str(&text), empty) + sizeof empty - 2;
    mlx_buf_append(out, text.data, (size_t)(at - text.data));
    for (size_t i = 0; i < count; i++)
        mlx_buf_printf(out, "%s%s", i ? "," : "", spans[i]);
    mlx_buf_puts(out, at);
}
