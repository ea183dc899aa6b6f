#include "tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/moment.h"

static const mlx_mcp_tool_t tools[] = {
    {.name = "what_runs",
     .title = "Models and requests now",
     .about = "Which models are loaded on this machine and which requests run right now, for every "
              "local model server (Ollama, llama.cpp, MLX, vLLM, LM Studio, ...), with live "
              "tokens per second. Call it first for anything about GPU, model or tok/s. It reads "
              "only: no model is loaded or kept awake.",
     .prefixes = "runtime."},
    {.name = "machine",
     .title = "GPU, memory, temperature, power now",
     .about = "Utilization, memory, temperature, clock and power of each GPU, the processor and "
              "main memory right now. A value that is missing is not available on this machine; "
              "its reason is given where known.",
     .prefixes = "sensor."},
    {.name = "why_slow",
     .title = "Findings and alerts",
     .about = "What is known to make models slow now: findings and alerts with their evidence and "
              "the command that helps. An empty answer means that no rule fires.",
     .prefixes = "finding. alert."},
    {.name = "how_fast",
     .title = "Measured speeds",
     .about = "Stored benchmark results, newest first: generation speed, prompt speed and time to "
              "first token with 95 % intervals. Use benchmark to measure again, history for speeds "
              "over time.",
     .command = "bench.list",
     .defaults = "{\"limit\":5}",
     .timeout_s = 10},
    {.name = "requests",
     .title = "Requests that have ended",
     .about =
         "Who asked which model, newest first: client, tokens of the prompt (and how many were "
         "cached) and generated, wait, time to first token, speed, outcome. Prompts are never "
         "kept. For what runs now, call what_runs.",
     .command = "requests.list",
     .defaults = "{\"limit\":20}",
     .timeout_s = 10},
    {.name = "findings",
     .title = "What was found, and when it ended",
     .about = "Past and present findings, newest first, each with its numbers. For what holds now, "
              "call why_slow.",
     .command = "finding.list",
     .defaults = "{\"limit\":20}",
     .timeout_s = 10},
    {.name = "history",
     .title = "One value over time",
     .about = "Recorded points of one series (host/topic/field; find names with history_series). "
              "Each point is [t, min, max, mean, count], t in microseconds since 1970.",
     .command = "history.query",
     .defaults = "{\"points\":60}",
     .timeout_s = 10},
    {.name = "history_series",
     .title = "Names of recorded series",
     .about = "Names of the series that history takes; give a prefix to keep the list short.",
     .command = "history.series",
     .timeout_s = 10},
    {.name = "cache_status",
     .title = "Models on disk",
     .about = "The shared model cache: every model with its size and the apps that use it, bytes "
              "on disk, bytes saved by sharing. For one model's folders and files, where_is_model.",
     .prefixes = "cache.status"},
    {.name = "where_is_model",
     .title = "Where a model lies on disk",
     .about = "Which stores of this machine have a model (the shared cache, Ollama, Hugging Face, "
              "LM Studio, ...), with paths, sizes, whether each copy is complete and which apps "
              "use it. Takes a name or a part of one. Downloads and changes nothing.",
     .command = "cache.where",
     .timeout_s = 60},
    {.name = "fits",
     .title = "Would a model fit in memory?",
     .about = "Memory that a model needs for a context (weights, KV cache, buffers), what is free "
              "now, and which loaded models would have to go. Reads the header only: of a model "
              "that is not on this machine, from its hub.",
     .command = "cache.fits",
     .timeout_s = 60,
     .asks_out = true},
    {.name = "suite_health",
     .title = "Is the monitor itself healthy?",
     .about = "State of each process of the suite. Call it when other tools have no data.",
     .prefixes = "service."},
    {.name = "benchmark",
     .title = "Measure a model",
     .about = "Measures a model's speed with ten prompts in less than a minute, with progress; it "
              "can be cancelled. Uses the GPU and may load the model if it is not loaded.",
     .command = "bench.run",
     .timeout_s = 600},
    {.name = "load",
     .title = "Load a model into memory",
     .about = "Asks the model server to load a model; takes its gigabytes of memory and up to "
              "minutes.",
     .command = "model.load",
     .timeout_s = 600,
     .changes = true},
    {.name = "unload",
     .title = "Free a model's memory",
     .about = "Asks the model server to unload a model. Refused while a request runs, unless force "
              "is given.",
     .command = "model.unload",
     .timeout_s = 60,
     .changes = true},
};

const mlx_mcp_tool_t *mlx_mcp_tools(size_t *count)
{
    *count = MLX_COUNT(tools);
    return tools;
}

const mlx_mcp_tool_t *mlx_mcp_tool_find(const char *name)
{
    for (size_t i = 0; i < MLX_COUNT(tools); i++)
        if (strcmp(tools[i].name, name) == 0)
            return &tools[i];
    return NULL;
}

const mlx_catalogue_command_t *mlx_mcp_tool_command(const mlx_mcp_tool_t *tool)
{
    size_t count;
    const mlx_catalogue_command_t *commands = mlx_catalogue_commands(&count);
    for (size_t i = 0; tool->command && i < count; i++)
        if (strcmp(commands[i].name, tool->command) == 0)
            return &commands[i];
    return NULL;
}

/*  Schemas. Lists without a table hold what their help says. */

static bool is_time(const mlx_field_t *field)
{
    return field->unit == MLX_UNIT_MICROSECONDS_EPOCH;
}

static const char *json_type(const mlx_field_t *field)
{
    static const char *const names[] = {
        [MLX_NULL] = "null",  [MLX_BOOL] = "boolean", [MLX_INT] = "integer", [MLX_REAL] = "number",
        [MLX_STR] = "string", [MLX_LIST] = "array",   [MLX_MAP] = "object"};
    return is_time(field) ? "string" : names[field->type];
}

static mlx_value_t *object_schema(const mlx_field_t *fields);

static mlx_value_t *field_schema(const mlx_field_t *field)
{
    mlx_value_t *schema =
        field->type == MLX_MAP && field->fields ? object_schema(field->fields) : mlx_value_map();
    mlx_value_set_str(schema, "type", json_type(field));
    const char *unit =
        is_time(field) ? "a date (RFC 3339) or a time ago, like 2h" : mlx_unit_name(field->unit);
    MLX_CLEANUP(mlx_free_p)
    char *help = mlx_format("%s%s%s", field->help, field->unit ? "; " : "", unit ? unit : "");
    mlx_value_set_str(schema, "description", help);
    if (field->type == MLX_LIST)
        mlx_value_set(schema, "items",
                      field->fields ? object_schema(field->fields) : mlx_value_map());
    return schema;
}

static mlx_value_t *object_schema(const mlx_field_t *fields)
{
    mlx_value_t *schema = mlx_value_map();
    mlx_value_set_str(schema, "type", "object");
    mlx_value_t *properties = mlx_value_set(schema, "properties", mlx_value_map());
    for (; fields && fields->key; fields++)
        mlx_value_set(properties, fields->key, field_schema(fields));
    return schema;
}

static const mlx_field_t topic_entry[] = {
    {.key = "host", .type = MLX_STR, .help = "machine that it comes from"},
    {.key = "topic", .type = MLX_STR, .help = "its name; mlx://catalogue explains its fields"},
    {.key = "age", .type = MLX_REAL, .unit = MLX_UNIT_SECONDS, .help = "since it was published"},
    {.key = "stale", .type = MLX_BOOL, .help = "its source has gone silent: no longer current"},
    {.key = "data", .type = MLX_MAP, .help = "the fields; what is absent is not available"},
    {0},
};

static const mlx_field_t topics_result[] = {
    {.key = "topics", .type = MLX_LIST, .fields = topic_entry, .help = "newest value of each"},
    {0},
};

static mlx_value_t *annotations(const mlx_mcp_tool_t *tool)
{
    mlx_value_t *map = mlx_value_map();
    bool reads = !tool->changes && strcmp(tool->name, "benchmark") != 0;
    mlx_value_set_bool(map, "readOnlyHint", reads);
    mlx_value_set_bool(map, "destructiveHint", false);
    mlx_value_set_bool(map, "idempotentHint", reads || tool->changes);
    mlx_value_set_bool(map, "openWorldHint", tool->asks_out);
    return map;
}

mlx_value_t *mlx_mcp_tool_describe(const mlx_mcp_tool_t *tool)
{
    const mlx_catalogue_command_t *command = mlx_mcp_tool_command(tool);
    mlx_value_t *map = mlx_value_map();
    mlx_value_set_str(map, "name", tool->name);
    mlx_value_set_str(map, "title", tool->title);
    mlx_value_set_str(map, "description", tool->about);
    mlx_value_t *input =
        mlx_value_set(map, "inputSchema", object_schema(command ? command->args : NULL));
    mlx_value_set_bool(input, "additionalProperties", false);
    mlx_value_set(map, "outputSchema", object_schema(command ? command->result : topics_result));
    mlx_value_set(map, "annotations", annotations(tool));
    return map;
}

/*  Arguments. */

static int time_argument(const char *key, const mlx_value_t *given, int64_t now_us, int64_t *us,
                         mlx_error_t *err)
{
    const char *text = mlx_value_as_str(given, NULL);
    if (!text || mlx_moment_parse(text, now_us, us, NULL))
        return mlx_error_set(err, MLX_ERR_USAGE,
                             "argument %s: give a date like 2026-11-25T08:00:00Z or a time ago "
                             "like 2h or 7d",
                             key);
    return 0;
}

/*  A whole number is a real too, and JSON has reals that are whole numbers. */
static bool fits(const mlx_field_t *field, const mlx_value_t *given)
{
    int64_t whole = 0;
    double real;
    switch (field->type) {
    case MLX_INT:
        return mlx_value_as_int(given, &whole);
    case MLX_REAL:
        return mlx_value_as_real(given, &real);
    default:
        return mlx_value_type(given) == field->type;
    }
}

static int add_argument(mlx_value_t *args, const mlx_field_t *field, const mlx_value_t *given,
                        int64_t now_us, mlx_error_t *err)
{
    int64_t whole = 0;
    if (is_time(field)) {
        if (time_argument(field->key, given, now_us, &whole, err))
            return -1;
        mlx_value_set_int(args, field->key, whole);
        return 0;
    }
    if (!fits(field, given))
        return mlx_error_set(err, MLX_ERR_USAGE, "argument %s: must be of type %s: %s", field->key,
                             json_type(field), field->help);
    if (field->type == MLX_INT && mlx_value_as_int(given, &whole))
        mlx_value_set_int(args, field->key, whole);
    else
        mlx_value_set(args, field->key, mlx_value_copy(given));
    return 0;
}

static int unknown_argument(const mlx_mcp_tool_t *tool, const mlx_field_t *fields, mlx_error_t *err)
{
    char known[128];
    size_t used = 0;
    known[0] = '\0';
    for (; fields && fields->key && used < sizeof known; fields++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "",
                                 fields->key);
    return mlx_error_set(err, MLX_ERR_USAGE, "%s has no such argument; it takes: %s", tool->name,
                         *known ? known : "none");
}

static mlx_value_t *default_arguments(const mlx_mcp_tool_t *tool)
{
    if (!tool->defaults)
        return mlx_value_map();
    return mlx_json_parse(tool->defaults, strlen(tool->defaults), NULL);
}

mlx_value_t *mlx_mcp_tool_arguments(const mlx_mcp_tool_t *tool, const mlx_value_t *arguments,
                                    int64_t now_us, mlx_error_t *err)
{
    const mlx_catalogue_command_t *command = mlx_mcp_tool_command(tool);
    const mlx_field_t *fields = command ? command->args : NULL;
    mlx_value_t *args = default_arguments(tool);
    for (size_t i = 0; i < mlx_value_size(arguments); i++) {
        const mlx_field_t *field = mlx_field_find(fields, mlx_value_key(arguments, i));
        if (field ? add_argument(args, field, mlx_value_at(arguments, i), now_us, err)
                  : unknown_argument(tool, fields, err)) {
            mlx_value_destroy(&args);
            return NULL;
        }
    }
    return args;
}

/*  Results. */

static mlx_value_t *readable_time(const mlx_value_t *value)
{
    int64_t us;
    if (!mlx_value_as_int(value, &us) || us < 0)
        return mlx_value_copy(value);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_moment_write(&text, us);
    return mlx_value_new_str(mlx_buf_str(&text));
}

static mlx_value_t *readable_list(const mlx_field_t *fields, const mlx_value_t *value)
{
    mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; i < mlx_value_size(value); i++)
        mlx_value_append(list, mlx_mcp_readable(fields, mlx_value_at(value, i)));
    return list;
}

static mlx_value_t *readable_field(const mlx_field_t *field, const mlx_value_t *value)
{
    if (!field)
        return mlx_value_copy(value);
    if (is_time(field))
        return readable_time(value);
    if (field->type == MLX_LIST && mlx_value_type(value) == MLX_LIST)
        return readable_list(field->fields, value);
    return mlx_mcp_readable(field->fields, value);
}

mlx_value_t *mlx_mcp_readable(const mlx_field_t *fields, const mlx_value_t *value)
{
    if (!fields || mlx_value_type(value) != MLX_MAP)
        return mlx_value_copy(value);
    mlx_value_t *map = mlx_value_map();
    for (size_t i = 0; i < mlx_value_size(value); i++) {
        const char *key = mlx_value_key(value, i);
        mlx_value_add(map, key,
                      readable_field(mlx_field_find(fields, key), mlx_value_at(value, i)));
    }
    return map;
}
