#include "proto/catalogue.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "proto/catalogue_tables.h"
#include "proto/message.h"
#include "proto/utf8.h"

enum {
    SEGMENTS_MAX = 8,
    SEGMENT_MAX = 64,
    TOPIC_MAX = 192,
    NAME_MAX_BYTES = 128,
};

#define WHOLE_MAX ((int64_t)1 << 53)
#define REAL_MAX 9223372036854775808.0 /* what a whole number takes */

static const char *const unit_names[] = {
    [MLX_UNIT_NONE] = "",
    [MLX_UNIT_BYTES] = "bytes",
    [MLX_UNIT_SECONDS] = "seconds",
    [MLX_UNIT_MICROSECONDS_EPOCH] = "microseconds since 1970",
    [MLX_UNIT_WATTS] = "watts",
    [MLX_UNIT_JOULES] = "joules",
    [MLX_UNIT_CELSIUS] = "celsius",
    [MLX_UNIT_RATIO] = "ratio",
    [MLX_UNIT_HERTZ] = "hertz",
    [MLX_UNIT_TOKENS_PER_SECOND] = "tokens per second",
    [MLX_UNIT_RPM] = "revolutions per minute",
    [MLX_UNIT_BYTES_PER_SECOND] = "bytes per second",
};

static const char *const type_names[] = {
    [MLX_NULL] = "null",  [MLX_BOOL] = "bool", [MLX_INT] = "int", [MLX_REAL] = "real",
    [MLX_STR] = "string", [MLX_LIST] = "list", [MLX_MAP] = "map",
};

const mlx_topic_t *mlx_catalogue_topics(size_t *count)
{
    *count = mlx_topic_table_count;
    return mlx_topic_table;
}

const mlx_catalogue_command_t *mlx_catalogue_commands(size_t *count)
{
    *count = mlx_command_table_count;
    return mlx_command_table;
}

static bool pattern_matches(const char *pattern, const char *name)
{
    for (;;) {
        size_t want = strcspn(pattern, "."), have = strcspn(name, ".");
        bool any = pattern[0] == '<';
        if (have == 0 || (!any && (want != have || memcmp(pattern, name, want) != 0)))
            return false;
        pattern += want;
        name += have;
        if (!*pattern || !*name)
            return !*pattern && !*name;
        pattern++;
        name++;
    }
}

const mlx_topic_t *mlx_catalogue_find(const char *name)
{
    for (size_t i = 0; i < mlx_topic_table_count; i++)
        if (pattern_matches(mlx_topic_table[i].pattern, name))
            return &mlx_topic_table[i];
    return NULL;
}

const mlx_field_t *mlx_field_find(const mlx_field_t *fields, const char *key)
{
    for (; fields && fields->key; fields++)
        if (strcmp(fields->key, key) == 0)
            return fields;
    return NULL;
}

static bool is_segment_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool mlx_topic_valid(const char *name, size_t len)
{
    size_t segments = 1, in_segment = 0;
    if (len == 0 || len > TOPIC_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (name[i] == '.') {
            if (in_segment == 0 || ++segments > SEGMENTS_MAX)
                return false;
            in_segment = 0;
        } else if (!is_segment_char(name[i]) || ++in_segment > SEGMENT_MAX) {
            return false;
        }
    }
    return in_segment > 0;
}

bool mlx_segment_valid(const char *name, size_t len)
{
    return len <= SEGMENT_MAX && !memchr(name, '.', len) && mlx_topic_valid(name, len);
}

bool mlx_name_valid(const char *name, size_t len)
{
    return len > 0 && len <= NAME_MAX_BYTES && !memchr(name, ' ', len) && mlx_utf8_plain(name, len);
}

char *mlx_topic_segment(const char *text)
{
    size_t len = strnlen(text, SEGMENT_MAX);
    char *segment = len ? mlx_strndup(text, len) : mlx_strdup("_");
    for (char *c = segment; *c; c++) {
        *c = (char)tolower((unsigned char)*c);
        if (!is_segment_char(*c))
            *c = '_';
    }
    return segment;
}

static bool type_fits(mlx_type_t want, mlx_type_t have)
{
    return want == have || (want == MLX_REAL && have == MLX_INT);
}

static int check_map(const char *where, const mlx_field_t *fields, const mlx_value_t *map,
                     mlx_error_t *err)
{
    for (size_t i = 0; i < mlx_value_size(map); i++) {
        const char *key = mlx_value_key(map, i);
        const mlx_value_t *item = mlx_value_at(map, i);
        const mlx_field_t *field = mlx_field_find(fields, key);
        if (!field)
            continue;
        if (!type_fits(field->type, mlx_value_type(item)))
            return mlx_error_set(err, MLX_ERR_USAGE, "%s: \"%s\" is %s, the catalogue says %s",
                                 where, key, mlx_type_name(mlx_value_type(item)),
                                 mlx_type_name(field->type));
        if (!field->fields)
            continue;
        if (field->type == MLX_MAP && check_map(where, field->fields, item, err))
            return -1;
        for (size_t k = 0; field->type == MLX_LIST && k < mlx_value_size(item); k++) {
            const mlx_value_t *entry = mlx_value_at(item, k);
            if (mlx_value_type(entry) != MLX_MAP)
                return mlx_error_set(err, MLX_ERR_USAGE, "%s: \"%s\" holds %s, not maps", where,
                                     key, mlx_type_name(mlx_value_type(entry)));
            if (check_map(where, field->fields, entry, err))
                return -1;
        }
    }
    return 0;
}

int mlx_catalogue_check(const mlx_topic_t *topic, const mlx_value_t *d, mlx_error_t *err)
{
    if (mlx_value_type(d) != MLX_MAP)
        return mlx_error_set(err, MLX_ERR_USAGE, "%s: the data is not a map", topic->pattern);
    return check_map(topic->pattern, topic->fields, d, err);
}

static bool in_bounds(const mlx_field_t *field, const mlx_value_t *item)
{
    int64_t whole = 0;
    double real = 0;
    if (field->type == MLX_INT && mlx_value_as_int(item, &whole))
        return field->unit == MLX_UNIT_MICROSECONDS_EPOCH
                   ? whole >= 0 && whole <= MLX_TIME_MAX_US
                   : whole >= -WHOLE_MAX && whole <= WHOLE_MAX;
    if (field->type == MLX_REAL && mlx_value_as_real(item, &real))
        return fabs(real) <= REAL_MAX;
    return true;
}

static size_t prune_map(const mlx_field_t *fields, mlx_value_t *map);

/*  The maps of LIST, pruned; *DROPPED counts. LIST is as it was if nothing is wrong with it. */
static void prune_list(const mlx_field_t *field, mlx_value_t *map, size_t *dropped)
{
    const mlx_value_t *list = mlx_value_get(map, field->key);
    size_t strangers = 0;
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        mlx_value_t *entry = mlx_value_at(list, i);
        if (mlx_value_type(entry) == MLX_MAP)
            *dropped += prune_map(field->fields, entry);
        else
            strangers++;
    }
    *dropped += strangers;
    if (strangers == 0)
        return;
    mlx_value_t *rest = mlx_value_list();
    for (size_t i = 0; i < mlx_value_size(list); i++)
        if (mlx_value_type(mlx_value_at(list, i)) == MLX_MAP)
            mlx_value_append(rest, mlx_value_copy(mlx_value_at(list, i)));
    mlx_value_set(map, field->key, rest);
}

static size_t prune_map(const mlx_field_t *fields, mlx_value_t *map)
{
    size_t dropped = 0;
    for (const mlx_field_t *field = fields; field && field->key; field++) {
        mlx_value_t *item = mlx_value_get(map, field->key);
        if (!item)
            continue;
        if (!type_fits(field->type, mlx_value_type(item)) || !in_bounds(field, item)) {
            mlx_value_remove(map, field->key);
            dropped++;
        } else if (field->fields && field->type == MLX_MAP) {
            dropped += prune_map(field->fields, item);
        } else if (field->fields && field->type == MLX_LIST) {
            prune_list(field, map, &dropped);
        }
    }
    return dropped;
}

size_t mlx_catalogue_prune(const mlx_topic_t *topic, mlx_value_t *d)
{
    return topic ? prune_map(topic->fields, d) : 0;
}

const char *mlx_unit_name(mlx_unit_t unit)
{
    return unit_names[unit];
}

const char *mlx_type_name(mlx_type_t type)
{
    return type_names[type];
}

static mlx_value_t *describe_fields(const mlx_field_t *fields)
{
    static const char *const kinds[] = {[MLX_METRIC_NONE] = NULL,
                                        [MLX_METRIC_GAUGE] = "gauge",
                                        [MLX_METRIC_COUNTER] = "counter",
                                        [MLX_METRIC_INFO] = "info",
                                        [MLX_METRIC_STATE] = "state"};
    mlx_value_t *list = mlx_value_list();
    for (; fields && fields->key; fields++) {
        mlx_value_t *map = mlx_value_append(list, mlx_value_map());
        mlx_value_set_str(map, "key", fields->key);
        mlx_value_set_str(map, "type", mlx_type_name(fields->type));
        if (fields->unit)
            mlx_value_set_str(map, "unit", mlx_unit_name(fields->unit));
        mlx_value_set_str(map, "metric", fields->metric);
        mlx_value_set_str(map, "kind", kinds[fields->kind]);
        mlx_value_set_str(map, "help", fields->help);
        if (fields->fields)
            mlx_value_set(map, "fields", describe_fields(fields->fields));
    }
    return list;
}

mlx_value_t *mlx_catalogue_describe(void)
{
    mlx_value_t *all = mlx_value_map();
    mlx_value_set_int(all, "version", MLX_CATALOGUE_VERSION);
    mlx_value_t *topics = mlx_value_set(all, "topics", mlx_value_list());
    for (size_t i = 0; i < mlx_topic_table_count; i++) {
        const mlx_topic_t *topic = &mlx_topic_table[i];
        mlx_value_t *map = mlx_value_append(topics, mlx_value_map());
        mlx_value_set_str(map, "topic", topic->pattern);
        mlx_value_set_bool(map, "retained", topic->retained);
        if (topic->period_s)
            mlx_value_set_int(map, "period", topic->period_s);
        mlx_value_set_str(map, "help", topic->help);
        mlx_value_set(map, "fields", describe_fields(topic->fields));
    }
    mlx_value_t *commands = mlx_value_set(all, "commands", mlx_value_list());
    for (size_t i = 0; i < mlx_command_table_count; i++) {
        const mlx_catalogue_command_t *command = &mlx_command_table[i];
        mlx_value_t *map = mlx_value_append(commands, mlx_value_map());
        mlx_value_set_str(map, "service", command->service);
        mlx_value_set_str(map, "command", command->name);
        mlx_value_set_str(map, "help", command->help);
        mlx_value_set(map, "args", describe_fields(command->args));
        if (command->progress)
            mlx_value_set(map, "progress", describe_fields(command->progress));
        mlx_value_set(map, "result", describe_fields(command->result));
    }
    return all;
}
