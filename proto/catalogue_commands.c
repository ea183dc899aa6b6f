/*  The table of commands, their arguments and results. See catalogue.h for what the columns
 *  mean. */
#include "proto/catalogue_columns.h"
#include "proto/catalogue_tables.h"

static const mlx_field_t no_fields[] = {END};

static const mlx_field_t snapshot_args[] = {
    STR("prefix", "topics that begin with it; absent: all"),
    INT("cursor", "from the result before, for the next page"),
    END,
};

static const mlx_field_t snapshot_message[] = {
    STR("topic", "of the message"),
    STR("host", "where it comes from"),
    STR("src", "service"),
    TIME("t", "when it was published"),
    END,
};

static const mlx_field_t snapshot_result[] = {
    LIST("messages", snapshot_message, "retained messages, with their data under \"d\""),
    INT("cursor", "ask for the next page with it; absent: this was the last"),
    INT("left_out", "messages of this page that are too large for any answer; absent: none"),
    END,
};

static const mlx_field_t registered_service[] = {
    STR("name", "of the service"),
    BOOL("connected", "it can take commands now"),
    BOOL("answers", "it has confirmed that recently"),
    INT("pid", "of its process, as the kernel tells it; absent where it does not"),
    END,
};

static const mlx_field_t services_result[] = {
    LIST("services", registered_service, "services that registered for commands"),
    END,
};

static const mlx_field_t keys_result[] = {
    INT("ended", "connections with keys that are no longer on the allow-list, ended just now"),
    END,
};

static const mlx_field_t bench_run_args[] = {
    STR("model", "model; absent: the one that is loaded"),
    STR("url", "runtime; absent: the first reachable one"),
    NUM("budget", MLX_REAL, MLX_UNIT_SECONDS,
        "wall time without loading the model; absent: the setting bench.budget_s"),
    LIST("prompts", NULL, "prompts (strings) instead of the built-in ten"),
    STR("sweep", "instead of prompts: \"context\" or \"parallel\""),
    END,
};

static const mlx_field_t history_query_args[] = {
    STR("series", "host/topic/field, as history.series lists them; without host: this one"),
    TIME("since", "start of the range; absent: an hour before its end"),
    TIME("until", "end of the range; absent: now"),
    NUM("step", MLX_REAL, MLX_UNIT_SECONDS,
        "wanted interval between points; absent: chosen automatically"),
    INT("points", "at most about this many points; absent: 600"),
    END,
};

static const mlx_field_t history_event[] = {
    TIME("t", "when it happened"),
    STR("kind", "model, runtime, alert, gap, finding or benchmark"),
    STR("text", "what happened, for a person"),
    END,
};

static const mlx_field_t history_query_result[] = {
    STR("series", "its full name"),
    STR("unit", "of the values"),
    STR("tier", "finest rows that were read: raw, minute or hour"),
    NUM("step", MLX_REAL, MLX_UNIT_SECONDS, "interval between the points"),
    LIST("points", NULL, "lists of [t, min, max, mean, count]; a step without samples has none"),
    LIST("events", history_event, "the newest hundred events on this machine in that time"),
    END,
};

static const mlx_field_t history_series_args[] = {
    STR("prefix", "series that begin with it; absent: all"),
    STR("after", "only names behind this one: \"next\" of the result before"),
    END,
};

static const mlx_field_t history_series_result[] = {
    LIST("series", NULL, "names of all series, sorted"),
    STR("next", "the last name here, if there are more; absent: that was all"),
    END,
};

static const mlx_field_t history_export_args[] = {
    STR("series", "as for history.query"),
    STR("tier", "raw, minute or hour; absent: raw"),
    TIME("since", "start of the range; absent: the oldest"),
    TIME("until", "end of the range; absent: now"),
    INT("cursor", "from the result before, for the next page"),
    END,
};

static const mlx_field_t history_export_result[] = {
    STR("series", "its full name"),
    STR("unit", "of the values"),
    LIST("rows", NULL, "lists of [t, value], or of [t, min, max, mean, last, count]"),
    INT("cursor", "ask for the next page with it; absent: this was the last"),
    END,
};

static const mlx_field_t history_tier[] = {
    STR("name", "raw, minute or hour"),
    INT("rows", "rows kept"),
    TIME("since", "every row since then is kept; absent: all there ever were"),
    END,
};

static const mlx_field_t history_info_result[] = {
    STR("path", "database file"),
    NUM("bytes", MLX_INT, MLX_UNIT_BYTES, "its size"),
    NUM("free", MLX_INT, MLX_UNIT_BYTES, "bytes of it that are unused"),
    INT("series", "series known"),
    TIME("oldest", "time of the oldest row"),
    LIST("tiers", history_tier, "each tier"),
    INT("samples", "samples stored since start"),
    INT("lost", "samples not stored: the disk was full, or there were too many series"),
    INT("refused", "samples that were not finite numbers, or were too large"),
    INT("damaged", "pieces that could not be read"),
    END,
};

static const mlx_field_t history_vacuum_result[] = {
    NUM("before", MLX_INT, MLX_UNIT_BYTES, "size before"),
    NUM("after", MLX_INT, MLX_UNIT_BYTES, "size now"),
    END,
};

static const mlx_field_t requests_spread_args[] = {
    STR("measure", "ttft, latency or tokens (generated)"),
    STR("model", "part of a model's name; absent: all"),
    TIME("since", "start of the range; absent: a day before its end"),
    TIME("until", "end of the range; absent: now"),
    END,
};

static const mlx_field_t requests_spread_point[] = {
    TIME("t", "start of the step"),
    INT("count", "requests in it that succeeded and reported the measure"),
    NUM("min", MLX_REAL, MLX_UNIT_NONE, "least value"),
    NUM("max", MLX_REAL, MLX_UNIT_NONE, "largest"),
    NUM("mean", MLX_REAL, MLX_UNIT_NONE, "mean"),
    NUM("p10", MLX_REAL, MLX_UNIT_NONE, "the value that 10 % of the requests were below"),
    NUM("p50", MLX_REAL, MLX_UNIT_NONE, "50 %"),
    NUM("p90", MLX_REAL, MLX_UNIT_NONE, "90 %"),
    NUM("p95", MLX_REAL, MLX_UNIT_NONE, "95 %"),
    NUM("p99", MLX_REAL, MLX_UNIT_NONE, "99 %"),
    END,
};

static const mlx_field_t requests_spread_result[] = {
    STR("measure", "as asked"),
    STR("unit", "of the values"),
    TIME("since", "begin: not before the first request, nor in a day whose requests are gone"),
    TIME("until", "end"),
    NUM("step", MLX_REAL, MLX_UNIT_SECONDS, "of the points"),
    NUM("error", MLX_REAL, MLX_UNIT_RATIO, "that a percentile may have, of itself"),
    INT("count", "requests in all; without any the following are absent"),
    NUM("min", MLX_REAL, MLX_UNIT_NONE, "as in a point, of all"),
    NUM("max", MLX_REAL, MLX_UNIT_NONE, "of all"),
    NUM("mean", MLX_REAL, MLX_UNIT_NONE, "of all"),
    NUM("p10", MLX_REAL, MLX_UNIT_NONE, "of all"),
    NUM("p50", MLX_REAL, MLX_UNIT_NONE, "of all"),
    NUM("p90", MLX_REAL, MLX_UNIT_NONE, "of all"),
    NUM("p95", MLX_REAL, MLX_UNIT_NONE, "of all"),
    NUM("p99", MLX_REAL, MLX_UNIT_NONE, "of all"),
    LIST("buckets", NULL, "lists of [above, up to, count]; those without requests have none"),
    LIST("points", requests_spread_point, "steps that have requests"),
    END,
};

static const mlx_field_t bench_list_args[] = {
    STR("model", "results of this model; absent: of all"),
    STR("id", "results whose id starts with this; absent: of any id"),
    INT("limit", "at most so many, 1 to 100; absent: 50"),
    END,
};

static const mlx_field_t bench_list_result[] = {
    LIST("results", mlx_fields_bench_result, "newest first, with the \"host\" they come from"),
    END,
};

static const mlx_field_t requests_list_args[] = {
    STR("client", "part of a client's name, program, User-Agent, key fingerprint or address"),
    STR("model", "part of a model's name"),
    STR("host", "of this machine; absent: of all"),
    TIME("since", "ended then or later; absent: the oldest"),
    TIME("until", "ended before; absent: now"),
    INT("limit", "at most so many, 1 to 500; absent: 100"),
    INT("cursor", "from the result before, for older ones"),
    END,
};

static const mlx_field_t requests_list_result[] = {
    LIST("requests", mlx_fields_request,
         "newest first, with the \"host\", \"runtime\" and \"endpoint\" they come from"),
    INT("cursor", "ask for older ones with it; absent: there are none"),
    END,
};

static const mlx_field_t alert_silence_args[] = {
    STR("rule", "name of the rule"),
    NUM("seconds", MLX_REAL, MLX_UNIT_SECONDS, "how long, up to a year; 0 ends it; absent: 3600"),
    END,
};

static const mlx_field_t alert_test_args[] = {
    STR("rule", "name of the rule"),
    END,
};

static const mlx_field_t alert_list_result[] = {
    LIST("alerts", mlx_fields_alert, "each rule, with its \"rule\"; one without state never fired"),
    END,
};

static const mlx_field_t energy_list_args[] = {
    STR("by", "model, client, day, hour or total; absent: model"),
    TIME("since", "from the hour that it is in; absent: all"),
    TIME("until", "hours that begin before; absent: now"),
    END,
};

static const mlx_field_t energy_list_result[] = {
    STR("by", "as asked"),
    LIST("rows", mlx_fields_energy, "each; by model and client the greatest first"),
    MAP("total", mlx_fields_energy, "of all"),
    STR("method", "how energy is shared, for a person"),
    STR("reason", "why there are no joules, for a person"),
    STR("currency", "of the costs"),
    NUM("idle_power", MLX_REAL, MLX_UNIT_WATTS, "power while no request runs"),
    TIME("settled", "up to when energy is shared"),
    END,
};

static const mlx_field_t finding_list_args[] = {
    INT("limit", "at most so many, 1 to 500; absent: 50"),
    END,
};

static const mlx_field_t finding_list_result[] = {
    LIST("findings", mlx_fields_finding,
         "newest first: each beginning and end, with \"rule\", \"host\" and \"t\""),
    END,
};

static const mlx_field_t model_args[] = {
    STR("model", "name as the runtime gives it"),
    STR("runtime", "its kind, URL or endpoint; absent: the only one that has the model"),
    BOOL("force", "also while a request runs"),
    END,
};

static const mlx_field_t model_result[] = {
    STR("model", "that was meant"),
    STR("runtime", "kind of the runtime"),
    STR("endpoint", "of the runtime"),
    END,
};

static const mlx_field_t cache_add_args[] = {
    STR("model", "org/name, hf.co/org/name:QUANT, name:tag of an Ollama registry, or a path"),
    END,
};

static const mlx_field_t cache_link_args[] = {
    STR("app", "huggingface, ollama, lmstudio, llamacpp or dir"),
    STR("model", "a model of the cache"),
    END,
};

static const mlx_field_t cache_clean_args[] = {
    BOOL("yes", "remove it; absent or false: only say what would be removed"),
    END,
};

static const mlx_field_t cache_dedup_args[] = {
    BOOL("yes", "share the bytes; absent or false: only say what would be shared"),
    END,
};

static const mlx_field_t cache_dedup_step[] = {
    STR("action", "what is done with the file"),
    STR("path", "of the file"),
    STR("source", "of the file whose bytes it is to share"),
    NUM("size", MLX_INT, MLX_UNIT_BYTES, "of the file"),
    STR("method", "how they are shared: clone, hardlink"),
    END,
};

static const mlx_field_t cache_dedup_result[] = {
    BOOL("dry_run", "nothing was changed"),
    NUM("would_free", MLX_INT, MLX_UNIT_BYTES, "that sharing frees"),
    NUM("freed", MLX_INT, MLX_UNIT_BYTES, "that it freed; absent: nothing was changed"),
    LIST("steps", cache_dedup_step, "each file"),
    END,
};

static const mlx_field_t cache_where_args[] = {
    STR("model", "its name in the cache or in any app, whole or a part of it"),
    END,
};

static const mlx_field_t cache_user[] = {
    STR("app", "that has it"),
    STR("method", "how it has the bytes of the cache: clone, hardlink, symlink, copy"),
    BOOL("offline", "on a volume that is not mounted now"),
    END,
};

static const mlx_field_t cache_file[] = {
    STR("name", "of the file in its model"),
    NUM("size", MLX_INT, MLX_UNIT_BYTES, "of the file"),
    STR("path", "of what holds its bytes; absent: outside of the store"),
    END,
};

static const mlx_field_t cache_place[] = {
    STR("app", "whose store it is; mlx-cache: the shared cache"),
    STR("store", "folder of the store"),
    STR("name", "as this app calls the model"),
    BOOL("complete", "no file is missing or damaged"),
    NUM("size", MLX_INT, MLX_UNIT_BYTES, "of its files"),
    INT("files_count", "files there"),
    LIST("files", cache_file, "the first 64 of them"),
    END,
};

static const mlx_field_t cache_where_model[] = {
    STR("name", "model name"),
    LIST("names", NULL, "what the apps call it, where that differs"),
    STR("source", "where the cache has it from"),
    BOOL("cached", "the shared cache holds it"),
    BOOL("complete", "no file is missing or damaged"),
    INT("missing_files", "of the cache's"),
    INT("damaged_files", "of the cache's"),
    NUM("size", MLX_INT, MLX_UNIT_BYTES, "of its files"),
    NUM("disk", MLX_INT, MLX_UNIT_BYTES, "that they take on the disk"),
    LIST("used_by", cache_user, "apps that have it"),
    LIST("places", cache_place, "each store that has it"),
    END,
};

static const mlx_field_t cache_where_result[] = {
    LIST("models", cache_where_model, "with that name, else with it as a part; 20 at most"),
    END,
};

static const mlx_field_t cache_fits_args[] = {
    STR("model", "of the cache or a hub (org/name, hf.co/org/name:QUANT, name:tag), or a path"),
    INT("context", "tokens; absent: 4096, or what the model can at most"),
    INT("slots", "conversations at a time; absent: 1"),
    STR("cache", "type of the KV cache: f16 (what absent means), q8_0, q4_0, ..."),
    END,
};

static const mlx_field_t cache_fits_result[] = {
    STR("model", "that was meant"),
    STR("architecture", "of the model"),
    INT("context", "tokens that it was reckoned for"),
    INT("context_max", "tokens that the model can at most"),
    NUM("weights", MLX_INT, MLX_UNIT_BYTES, "of the tensors"),
    NUM("cache", MLX_INT, MLX_UNIT_BYTES, "of the KV cache"),
    NUM("state", MLX_INT, MLX_UNIT_BYTES, "of recurrent layers"),
    NUM("compute", MLX_INT, MLX_UNIT_BYTES, "of buffers while it computes"),
    NUM("output", MLX_INT, MLX_UNIT_BYTES, "of the result's buffer"),
    NUM("total", MLX_INT, MLX_UNIT_BYTES, "that it needs"),
    NUM("machine", MLX_INT, MLX_UNIT_BYTES, "memory of this machine"),
    NUM("available", MLX_INT, MLX_UNIT_BYTES, "free now"),
    NUM("gpu_available", MLX_INT, MLX_UNIT_BYTES, "free now on GPUs with memory of their own"),
    BOOL("fits", "now"),
    LIST("fits_without", NULL, "loaded models whose memory would be enough"),
    NUM("tokens_per_second", MLX_REAL, MLX_UNIT_TOKENS_PER_SECOND,
        "to be expected, from the newest benchmark and the size"),
    END,
};

const mlx_catalogue_command_t mlx_command_table[] = {
    {"bus", "bus.snapshot", "Retained messages at once", snapshot_args, NULL, snapshot_result},
    {"bus", "bus.services", "Services that take commands", no_fields, NULL, services_result},
    {"bus", "bus.keys", "Read the list of allowed keys again", no_fields, NULL, keys_result},
    {"bencher", "bench.run", "Measure a model", bench_run_args, mlx_fields_bench_progress,
     mlx_fields_bench_result},
    {"recorder", "history.query", "Points of one series", history_query_args, NULL,
     history_query_result},
    {"cache", "cache.add", "Add a model to the cache", cache_add_args, NULL, no_fields},
    {"cache", "cache.link", "Link a cached model into an app", cache_link_args, NULL, no_fields},
    {"cache", "cache.unlink", "Remove a linked model from an app", cache_link_args, NULL,
     no_fields},
    {"cache", "cache.clean", "Show, or remove, what no app and no model needs", cache_clean_args,
     NULL, no_fields},
    {"cache", "cache.dedup", "Show, or share, what is on the disk twice", cache_dedup_args, NULL,
     cache_dedup_result},
    {"recorder", "history.series", "Names of all series", history_series_args, NULL,
     history_series_result},
    {"recorder", "history.export", "Rows of one series as stored, page by page",
     history_export_args, NULL, history_export_result},
    {"recorder", "history.info", "What the database holds", no_fields, NULL, history_info_result},
    {"recorder", "history.vacuum", "Give unused space back to the file system", no_fields, NULL,
     history_vacuum_result},
    {"recorder", "bench.list", "Stored benchmark results", bench_list_args, NULL,
     bench_list_result},
    {"recorder", "requests.list", "Requests that have ended", requests_list_args, NULL,
     requests_list_result},
    {"recorder", "requests.spread", "Percentiles of requests' times and tokens",
     requests_spread_args, NULL, requests_spread_result},
    {"recorder", "alert.list", "Alert rules and their state", no_fields, NULL, alert_list_result},
    {"recorder", "alert.silence", "Silence an alert for some time", alert_silence_args, NULL,
     alert_list_result},
    {"recorder", "alert.test", "Let an alert fire for ten seconds", alert_test_args, NULL,
     alert_list_result},
    {"recorder", "energy.list", "Energy by model, client or day", energy_list_args, NULL,
     energy_list_result},
    {"recorder", "finding.list", "What was found, and when it ended", finding_list_args, NULL,
     finding_list_result},
    {"watcher", "model.load", "Load a model into memory", model_args, NULL, model_result},
    {"watcher", "model.unload", "Free a model's memory", model_args, NULL, model_result},
    {"watcher", "model.pin", "Load a model and keep it until it is unloaded", model_args, NULL,
     model_result},
    {"cache", "cache.refresh", "Scan the stores again and publish cache.status", no_fields, NULL,
     mlx_fields_cache_status},
    {"cache", "cache.where", "Which stores have a model, with its paths", cache_where_args, NULL,
     cache_where_result},
    {"cache", "cache.fits", "Would a model fit in memory now", cache_fits_args, NULL,
     cache_fits_result},
};

const size_t mlx_command_table_count = MLX_COUNT(mlx_command_table);
