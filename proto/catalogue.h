/*  catalogue.h - every topic, field, unit and command of the suite, from one table
 *
 *  The catalogue is the protocol: packing checks messages against it, JSON and OpenMetrics names
 *  come from it, `mlxctl topics` prints it as the reference page, and the Swift types are tested
 *  against it. Add a metric here first; nothing else has to learn its name.
 *
 *  A topic pattern is a dotted path; a segment in angle brackets stands for any word of [a-z0-9_-].
 *  A key never changes its meaning or unit. Readers ignore unknown keys and treat missing ones as
 *  absent. Units are SI base units or ratios.
 */
#ifndef MLX_PROTO_CATALOGUE_H
#define MLX_PROTO_CATALOGUE_H

#include "proto/error.h"
#include "proto/value.h"

/*  Major version of the catalogue, key "v" of every message. */
enum {
    MLX_CATALOGUE_VERSION = 1
};

typedef enum {
    MLX_UNIT_NONE,
    MLX_UNIT_BYTES,
    MLX_UNIT_SECONDS,
    MLX_UNIT_MICROSECONDS_EPOCH, /* wall clock, microseconds since 1970-01-01 UTC */
    MLX_UNIT_WATTS,
    MLX_UNIT_JOULES,
    MLX_UNIT_CELSIUS,
    MLX_UNIT_RATIO, /* 0..1 */
    MLX_UNIT_HERTZ,
    MLX_UNIT_TOKENS_PER_SECOND,
    MLX_UNIT_RPM, /* revolutions per minute, as fans report it */
    MLX_UNIT_BYTES_PER_SECOND,
} mlx_unit_t;

#define MLX_UNIT_LAST MLX_UNIT_BYTES_PER_SECOND

typedef enum {
    MLX_METRIC_NONE, /* no OpenMetrics series */
    MLX_METRIC_GAUGE,
    MLX_METRIC_COUNTER,
    MLX_METRIC_INFO,  /* of a list of maps: 1 for each item, which its labels describe */
    MLX_METRIC_STATE, /* of a string: 1 when it is FIELD.is, else 0 */
} mlx_metric_kind_t;

typedef struct mlx_field mlx_field_t;

struct mlx_field {
    const char *key;
    mlx_type_t type; /* MLX_REAL also takes an int */
    mlx_unit_t unit;
    mlx_metric_kind_t kind; /* how it appears in OpenMetrics and history */
    const char *label;      /* OpenMetrics label of what identifies an item; NULL: does not */
    const char *is;         /* see MLX_METRIC_STATE */
    const char *metric;     /* OpenMetrics family without "_total" or "_info"; NULL: none */
    const char *help;
    const mlx_field_t *fields; /* of the maps in a list, or of a map; ends with a NULL key */
};

typedef struct {
    const char *pattern;
    bool retained; /* the broker keeps the newest message for late joiners */
    int period_s;  /* retained: seconds after which its source says it again, at the settings that
                    * come with the suite; 0: said once for each event, true until the next one */
    const char *help;
    const mlx_field_t *fields; /* ends with a NULL key */
    const char *labels;        /* OpenMetrics label of each <segment>, comma between; or NULL */
} mlx_topic_t;

typedef struct {
    const char *service; /* "bencher" */
    const char *name;    /* "bench.run" */
    const char *help;
    const mlx_field_t *args;
    const mlx_field_t *progress; /* NULL: sends no progress */
    const mlx_field_t *result;
} mlx_catalogue_command_t;

/*  All topics and commands in page order. Static storage. */
const mlx_topic_t *mlx_catalogue_topics(size_t *count);
const mlx_catalogue_command_t *mlx_catalogue_commands(size_t *count);

/*  The topic whose pattern matches NAME, or NULL. */
const mlx_topic_t *mlx_catalogue_find(const char *name);

/*  The field KEY in a NULL-ended table, or NULL. */
const mlx_field_t *mlx_field_find(const mlx_field_t *fields, const char *key);

/*  Is NAME a well-formed topic: 1..8 segments of [a-z0-9_-] (1..64 bytes each), at most 192 bytes?
 */
bool mlx_topic_valid(const char *name, size_t len);

/*  Is NAME one segment of a topic? Names of services and alert rules are. */
bool mlx_segment_valid(const char *name, size_t len);

/*  Is NAME fit to name a host or a source: 1..128 bytes of UTF-8 without spaces and without
 *  anything that cannot be shown on one line? */
bool mlx_name_valid(const char *name, size_t len);

/*  Turn TEXT into one topic segment: lower case, every other byte becomes '_', cut at 64. Caller
 *  owns the result and must free it. */
char *mlx_topic_segment(const char *text);

/*  Check a data map against the fields of its topic: a known key with a wrong type is an error
 *  (usage); unknown keys are fine. 0 or -1. */
int mlx_catalogue_check(const mlx_topic_t *topic, const mlx_value_t *d, mlx_error_t *err);

/*  Take out of a data map from outside what its topic's table contradicts: fields of a wrong type
 *  or beyond what anything measures (whole numbers above 2^53, reals above 2^63, dates outside
 *  1970..9999), entries of a list that are not maps where maps are due. Returns how many. Whoever
 *  reads the rest needs no checks of his own. */
size_t mlx_catalogue_prune(const mlx_topic_t *topic, mlx_value_t *d);

/*  Names for the reference page: "bytes", "ratio", ... and "int", "real", "string", ... */
const char *mlx_unit_name(mlx_unit_t unit);
const char *mlx_type_name(mlx_type_t type);

/*  The whole catalogue as a value tree: what `mlxctl topics --json` prints and the Swift check
 *  reads. Caller owns it and must destroy it. */
mlx_value_t *mlx_catalogue_describe(void);

#endif
