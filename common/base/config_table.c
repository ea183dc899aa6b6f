#include "common/base/config_table.h"

#include <string.h>

#include "proto/runtimes.h"

static const struct {
    const char *name;
    const char *help;
} sections[] = {
    {"log", "What the services write to the journal or to stderr."},
    {"bus", "The message bus that connects all processes."},
    {"sampler", "Readings of this machine: GPU, memory, CPU, temperature, power."},
    {"watcher", "Runtimes such as Ollama: loaded models and tokens per second."},
    {"recorder", "History in a database."},
    {"gateway", "OpenMetrics and the dashboard page."},
    {"otlp", "Export to an OpenTelemetry collector; the OTEL_* variables are read too."},
    {"bench", "Benchmarks."},
    {"cache", "One verified copy of every model."},
    {"menubar", "The tray and status bar."},
    {"energy", "What energy costs."},
    {"alert", "Alarms on any value of the bus."},
};

static const mlx_setting_t peer_fields[] = {
    {.key = "host", .type = MLX_SETTING_NAME, .required = true},
    {.key = "endpoint", .type = MLX_SETTING_STR, .required = true},
    {.key = "key", .type = MLX_SETTING_STR, .required = true},
    {0},
};

static const mlx_setting_t runtime_fields[] = {
    {.key = "kind",
     .type = MLX_SETTING_WORD,
     .words = "auto" MLX_RUNTIME_KINDS(MLX_RUNTIME_WORD_BAR),
     .required = true},
    {.key = "url", .type = MLX_SETTING_STR, .required = true},
    {.key = "key_file", .type = MLX_SETTING_PATH, .secret = true},
    {.key = "key_env", .type = MLX_SETTING_STR, .secret = true},
    {0},
};

static const mlx_setting_t rule_fields[] = {
    {.key = "name", .type = MLX_SETTING_STR, .required = true},
    {.key = "topic", .type = MLX_SETTING_STR, .required = true},
    {.key = "field", .type = MLX_SETTING_STR, .required = true},
    {.key = "above", .type = MLX_SETTING_REAL},
    {.key = "below", .type = MLX_SETTING_REAL},
    {.key = "drop", .type = MLX_SETTING_REAL},
    {.key = "for_s", .type = MLX_SETTING_REAL},
    {.key = "text", .type = MLX_SETTING_STR},
    {0},
};

static const mlx_setting_t tariff_fields[] = {
    {.key = "from", .type = MLX_SETTING_REAL, .required = true},
    {.key = "to", .type = MLX_SETTING_REAL, .required = true},
    {.key = "price", .type = MLX_SETTING_REAL, .required = true},
    {0},
};

static const mlx_setting_t route_fields[] = {
    {.key = "kind", .type = MLX_SETTING_WORD, .words = "json|ntfy|slack", .required = true},
    {.key = "url", .type = MLX_SETTING_STR, .required = true},
    {0},
};

#define FLAG(k, d) .key = k, .type = MLX_SETTING_BOOL, .fallback = d
#define WHOLE(k, d, lo, hi) .key = k, .type = MLX_SETTING_INT, .fallback = d, .min = lo, .max = hi
#define NUMBER(k, d, lo, hi) .key = k, .type = MLX_SETTING_REAL, .fallback = d, .min = lo, .max = hi
#define WORD(k, d, w) .key = k, .type = MLX_SETTING_WORD, .fallback = d, .words = w
#define TEXT(k, d) .key = k, .type = MLX_SETTING_STR, .fallback = d
#define PATH(k, e) .key = k, .type = MLX_SETTING_PATH, .example = e
#define LIST(k, e) .key = k, .type = MLX_SETTING_LIST, .example = e
#define MAPS(k, f, e) .key = k, .type = MLX_SETTING_MAPS, .fields = f, .example = e
#define USE(service, sentence) .used_by = service, .help = sentence

const mlx_setting_t mlx_settings[] = {
    {.key = "host",
     .type = MLX_SETTING_NAME,
     .example = "studio",
     USE("all", "Name of this machine in every message; the host name when not set.")},

    {WORD("log.level", "info", "error|warning|info|debug"),
     USE("all", "Least severe level that is logged.")},
    {WORD("log.format", "auto", "auto|plain|journal|json"),
     USE("all", "Line format; auto adapts to the journal, a terminal or a file.")},

    {LIST("bus.tcp", "[\"tcp://0.0.0.0:11491\"]"),
     USE("mlx-bus", "Endpoints for other machines, always encrypted; none by default.")},
    {MAPS("bus.peers", peer_fields,
          "[{host: studio, endpoint: \"tcp://10.0.0.2:11491\", key: \"<its public key>\"}]"),
     USE("mlx-bus", "Other machines whose values are shown here too.")},
    {PATH("bus.keys_dir", "~/.config/mlx/keys"),
     USE("mlx-bus",
         "Directory of this machine's certificate and of the public keys of allowed peers.")},
    {NUMBER("bus.retain_gone_s", "15", 0, 86400),
     USE("mlx-bus",
         "Seconds after which a vanished source's last values are dropped; at least 5.")},
    {WHOLE("bus.retain_mb", "64", 1, 65536),
     USE("mlx-bus", "Mebibytes for all last values; the oldest of the greediest source go first.")},
    {WHOLE("bus.retain_source_mb", "24", 1, 65536),
     USE("mlx-bus", "Mebibytes of them for one process or other machine.")},
    {WHOLE("bus.queue_mb", "128", 8, 65536),
     USE("mlx-bus", "Mebibytes waiting for slow readers; one that fetches nothing is cut off.")},
    {WHOLE("bus.hwm", "10000", 10, 10000000),
     USE("all", "Messages queued for a slow reader before any are dropped.")},

    {NUMBER("sampler.rate_hz", "1", 0.1, 10), USE("mlx-sampler", "Readings per second.")},
    {LIST("sampler.disable", "[nvml]"), USE("mlx-sampler", "Sensor back ends not to use.")},

    {MAPS("watcher.runtimes", runtime_fields, "[{kind: ollama, url: \"http://127.0.0.1:11434\"}]"),
     USE("mlx-watcher, mlx-bencher",
         "Runtimes in addition to those discovered; key_file or key_env says where a key is.")},
    {FLAG("watcher.discover", "true"),
     USE("mlx-watcher",
         "Look for runtimes in OLLAMA_HOST and among the programs that listen on this machine.")},
    {FLAG("watcher.tap", "true"),
     USE("mlx-watcher", "Offer the tap, a relay that measures traffic to the runtime.")},
    {TEXT("watcher.tap_listen", "127.0.0.1:11493"),
     USE("mlx-watcher", "Where the tap listens; a loopback address.")},
    {TEXT("watcher.tap_upstream", "127.0.0.1:11434"),
     USE("mlx-watcher", "The runtime behind the tap.")},
    {WHOLE("watcher.poll_busy_ms", "1000", 100, 60000),
     USE("mlx-watcher", "Milliseconds between polls while a model runs.")},
    {WHOLE("watcher.poll_idle_ms", "5000", 100, 600000),
     USE("mlx-watcher", "Milliseconds between polls while nothing runs.")},
    {FLAG("watcher.runner_probe", "true"),
     USE("mlx-watcher", "Read live progress from the model server that Ollama runs.")},

    {PATH("recorder.path", "~/mlx-history.db"),
     USE("mlx-recorder", "The database; defaults to history.db in the state directory.")},
    {WHOLE("recorder.raw_hours", "48", 1, 8760),
     USE("mlx-recorder", "Hours for which every value is kept.")},
    {WHOLE("recorder.minute_days", "90", 1, 3650),
     USE("mlx-recorder",
         "Days for which per-minute figures are kept; hourly ones are kept forever.")},
    {WHOLE("recorder.request_days", "90", 1, 3650),
     USE("mlx-recorder", "Days for which requests are kept, with their clients; never a prompt.")},
    {WHOLE("recorder.energy_days", "730", 1, 3650),
     USE("mlx-recorder", "Days for which energy by hour, model and client is kept.")},
    {NUMBER("recorder.flush_s", "5", 0.1, 60),
     USE("mlx-recorder", "Seconds between writes: what a crash may lose.")},

    {TEXT("gateway.listen", "127.0.0.1:11490"), USE("mlx-gateway", "Where the gateway listens.")},
    {WORD("gateway.mcp", "off", "off|read|changes"),
     USE("mlx-gateway",
         "Serve agents that present a token at /mcp; changes: they may load models.")},
    {FLAG("gateway.vllm_names", "false"),
     USE("mlx-gateway", "Show the requests under vLLM's metric names too, for its dashboards.")},

    {.key = "otlp.endpoint",
     .type = MLX_SETTING_STR,
     .example = "http://127.0.0.1:4318",
     USE("mlx-gateway", "Collector of OTLP over HTTP as JSON; nothing is sent when unset.")},
    {LIST("otlp.headers", "[\"authorization=Bearer%20TOKEN\"]"),
     USE("mlx-gateway", "Headers for it, each name=value, percent-encoded.")},
    {NUMBER("otlp.interval_s", "60", 1, 3600),
     USE("mlx-gateway", "Seconds between exports of metrics.")},

    {WHOLE("bench.budget_s", "60", 5, 3600),
     USE("mlx-bencher", "Seconds that one benchmark may take, not counting model loading.")},
    {PATH("bench.prompts", "~/prompts.txt"),
     USE("mlx-bencher", "Prompts to use instead of the built-in ones, one per line.")},

    {PATH("cache.dir", "~/.mlx-cache"),
     USE("mlx-cache", "The model cache; defaults to ~/.mlx-cache.")},
    {WHOLE("cache.streams", "4", 1, 16), USE("mlx-cache", "Parallel downloads.")},
    {LIST("cache.mirrors", "[\"oci://registry.example.com/models\"]"),
     USE("mlx-cache", "Registries tried before the hub.")},
    {FLAG("cache.watch", "true"),
     USE("mlx-cached", "Watch the model stores of the apps for changes.")},

    {WORD("menubar.units", "metric", "metric|imperial"),
     USE("mlx-menubar", "Celsius or Fahrenheit.")},
    {WORD("menubar.title", "tok/s", "tok/s|memory|gpu"),
     USE("mlx-menubar", "Figure shown in the bar itself.")},
    {FLAG("menubar.notifications", "true"), USE("mlx-menubar", "Show alarms as notifications.")},

    {.key = "energy.price",
     .type = MLX_SETTING_REAL,
     .example = "0.30",
     .min = 0,
     .max = 1e6,
     USE("mlx-recorder", "Price of a kilowatt-hour; unset: no costs are shown.")},
    {MAPS("energy.tariffs", tariff_fields, "[{from: 22, to: 6, price: 0.20}]"),
     USE("mlx-recorder", "Prices at other hours of the day, local time; the first match applies.")},
    {.key = "energy.currency",
     .type = MLX_SETTING_NAME,
     .example = "EUR",
     USE("mlx-recorder", "Currency of the prices.")},
    {.key = "energy.co2",
     .type = MLX_SETTING_REAL,
     .example = "380",
     .min = 0,
     .max = 1e5,
     USE("mlx-recorder", "Grams of CO2 per kilowatt-hour; unset: no emissions are shown.")},

    {MAPS("alert.rules", rule_fields,
          "[{name: hot, topic: sensor.gpu.0, field: temperature, above: 90, for_s: 30}]"),
     USE("mlx-recorder",
         "Alarms: a field above or below a limit, or below its usual value by the share drop.")},
    {MAPS("alert.routes", route_fields, "[{kind: ntfy, url: \"https://ntfy.sh/my-topic\"}]"),
     USE("mlx-recorder", "Webhooks that receive alarms; https, or http to this machine.")},
};

const size_t mlx_settings_count = MLX_COUNT(mlx_settings);

const char *mlx_settings_section(size_t index)
{
    return index < MLX_COUNT(sections) ? sections[index].name : NULL;
}

const char *mlx_settings_section_help(const char *section)
{
    for (size_t i = 0; i < MLX_COUNT(sections); i++)
        if (strcmp(sections[i].name, section) == 0)
            return sections[i].help;
    return NULL;
}

const char *mlx_setting_type_name(mlx_setting_type_t type)
{
    static const char *const names[] = {
        [MLX_SETTING_BOOL] = "true or false",
        [MLX_SETTING_INT] = "a whole number",
        [MLX_SETTING_REAL] = "a number",
        [MLX_SETTING_STR] = "a string",
        [MLX_SETTING_NAME] = "a name of 1 to 128 bytes without spaces",
        [MLX_SETTING_WORD] = "a word",
        [MLX_SETTING_PATH] = "an absolute path",
        [MLX_SETTING_LIST] = "a list of strings",
        [MLX_SETTING_MAPS] = "a list of maps",
    };
    return names[type];
}
