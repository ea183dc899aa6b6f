/*  The table of topics and their fields. See catalogue.h for what the columns mean. */
#include "proto/catalogue_columns.h"
#include "proto/catalogue_tables.h"
#include "proto/runtimes.h"

static const mlx_field_t missing[] = {
    STR("field", "key that this machine cannot give"),
    STR("why", "the reason, for a person"),
    END,
};

#define MISSING LIST("missing", missing, "fields that are not available, and why")

static const mlx_field_t held[] = {
    STR("field", "key whose value was measured before the message was made"),
    NUM("age", MLX_REAL, MLX_UNIT_SECONDS, "how long before"),
    END,
};

#define HELD LIST("held", held, "values that are older than the message; others are of its time")

static const mlx_field_t gpu_process[] = {
    INT("pid", "process id"),
    STR("program", "its name"),
    INT("instance", "number of the part of a divided GPU that it runs in"),
    NUM("memory", MLX_INT, MLX_UNIT_BYTES, "GPU memory the process holds"),
    NUM("utilization", MLX_REAL, MLX_UNIT_RATIO, "share of the GPU's time the process used"),
    END,
};

static const mlx_field_t gpu_instance[] = {
    INT("number", "as the processes name it"),
    STR("id", "identity of the part"),
    STR("name", "its kind: how large a part it is"),
    NUM("memory_used", MLX_INT, MLX_UNIT_BYTES, "memory in use"),
    NUM("memory_total", MLX_INT, MLX_UNIT_BYTES, "memory of the part"),
    END,
};

static const mlx_field_t gpu[] = {
    ID("name", "product name"),
    STR("vendor", "nvidia, amd, intel, apple"),
    STR("backend", "sensor back end that read it"),
    STR("id", "stable identity: UUID or bus address"),
    GAUGE("utilization", MLX_REAL, MLX_UNIT_RATIO, "mlx_gpu_utilization_ratio",
          "time the GPU was busy"),
    GAUGE("memory_used", MLX_INT, MLX_UNIT_BYTES, "mlx_gpu_memory_used_bytes", "GPU memory in use"),
    GAUGE("memory_total", MLX_INT, MLX_UNIT_BYTES, "mlx_gpu_memory_total_bytes",
          "GPU memory installed"),
    BOOL("unified", "memory_used and memory_total are of the machine's memory, which it shares"),
    GAUGE("frequency", MLX_REAL, MLX_UNIT_HERTZ, "mlx_gpu_frequency_hertz", "core clock"),
    GAUGE("memory_frequency", MLX_REAL, MLX_UNIT_HERTZ, "mlx_gpu_memory_frequency_hertz",
          "memory clock"),
    GAUGE("power", MLX_REAL, MLX_UNIT_WATTS, "mlx_gpu_power_watts", "power drawn"),
    GAUGE("power_limit", MLX_REAL, MLX_UNIT_WATTS, "mlx_gpu_power_limit_watts",
          "power limit in force"),
    COUNTER("energy", MLX_REAL, MLX_UNIT_JOULES, "mlx_gpu_energy_joules",
            "energy used since the driver was loaded"),
    GAUGE("temperature", MLX_REAL, MLX_UNIT_CELSIUS, "mlx_gpu_temperature_celsius",
          "core temperature"),
    GAUGE("fan", MLX_REAL, MLX_UNIT_RATIO, "mlx_gpu_fan_ratio",
          "fan speed as a share of its maximum"),
    NUM("fan_min", MLX_REAL, MLX_UNIT_RATIO, "slowest speed the fan can be set to"),
    NUM("fan_max", MLX_REAL, MLX_UNIT_RATIO, "fastest speed the fan can be set to"),
    GAUGE("encoder", MLX_REAL, MLX_UNIT_RATIO, "mlx_gpu_encoder_ratio",
          "time the video encoder was busy"),
    GAUGE("decoder", MLX_REAL, MLX_UNIT_RATIO, "mlx_gpu_decoder_ratio",
          "time the video decoder was busy"),
    GAUGE("media", MLX_REAL, MLX_UNIT_RATIO, "mlx_gpu_media_ratio",
          "time the busiest video engine was busy"),
    NUM("media_read", MLX_REAL, MLX_UNIT_BYTES_PER_SECOND,
        "memory that the video engines read (Apple Silicon)"),
    NUM("media_write", MLX_REAL, MLX_UNIT_BYTES_PER_SECOND, "memory that they write"),
    GAUGE("pcie_tx", MLX_REAL, MLX_UNIT_BYTES_PER_SECOND, "mlx_gpu_pcie_sent_bytes_per_second",
          "what the GPU sends over PCIe"),
    GAUGE("pcie_rx", MLX_REAL, MLX_UNIT_BYTES_PER_SECOND, "mlx_gpu_pcie_received_bytes_per_second",
          "what it receives"),
    LIST("instances", gpu_instance, "the parts of a divided GPU (MIG)"),
    LIST("throttle", NULL,
         "why clocks are throttled, in words: power limit, temperature, current, ..."),
    LIST("processes", gpu_process, "processes with a context on the GPU"),
    HELD,
    MISSING,
    END,
};

static const mlx_field_t memory[] = {
    GAUGE("total", MLX_INT, MLX_UNIT_BYTES, "mlx_memory_total_bytes", "memory installed"),
    GAUGE("used", MLX_INT, MLX_UNIT_BYTES, "mlx_memory_used_bytes",
          "memory that cannot be reclaimed at once"),
    GAUGE("available", MLX_INT, MLX_UNIT_BYTES, "mlx_memory_available_bytes",
          "memory a new process can get without swapping"),
    NUM("free", MLX_INT, MLX_UNIT_BYTES, "memory not used at all"),
    NUM("cached", MLX_INT, MLX_UNIT_BYTES, "page cache"),
    NUM("wired", MLX_INT, MLX_UNIT_BYTES, "memory that cannot be paged out (macOS)"),
    NUM("compressed", MLX_INT, MLX_UNIT_BYTES, "memory held by the compressor"),
    STR("available_bound", "what bounds it: machine, cgroup v1 or cgroup v2"),
    NUM("limit", MLX_INT, MLX_UNIT_BYTES, "cgroup limit where it is below total"),
    NUM("limit_used", MLX_INT, MLX_UNIT_BYTES, "charged to the cgroup that has the least left"),
    NUM("gpu_limit", MLX_INT, MLX_UNIT_BYTES, "unified memory the GPU may wire (macOS)"),
    NUM("gpu_recommended", MLX_INT, MLX_UNIT_BYTES,
        "working set that Metal recommends to stay within (macOS)"),
    GAUGE("bandwidth_read", MLX_REAL, MLX_UNIT_BYTES_PER_SECOND, "mlx_memory_read_bytes_per_second",
          "what the memory controllers read"),
    GAUGE("bandwidth_write", MLX_REAL, MLX_UNIT_BYTES_PER_SECOND,
          "mlx_memory_write_bytes_per_second", "what they write"),
    GAUGE("swap_total", MLX_INT, MLX_UNIT_BYTES, "mlx_swap_total_bytes", "swap configured"),
    GAUGE("swap_used", MLX_INT, MLX_UNIT_BYTES, "mlx_swap_used_bytes", "swap in use"),
    GAUGE("pressure", MLX_REAL, MLX_UNIT_RATIO, "mlx_memory_pressure_ratio",
          "share of the last 10 s in which some task waited for memory (PSI)"),
    NUM("pressure_full", MLX_REAL, MLX_UNIT_RATIO, "the same, all tasks waiting"),
    STR("pressure_level", "normal, warning or critical"),
    HELD,
    MISSING,
    END,
};

static const mlx_field_t cpu_core[] = {
    INT("id", "core number"),
    STR("cluster", "name of its cluster, where there are several"),
    NUM("utilization", MLX_REAL, MLX_UNIT_RATIO, "time the core was busy"),
    NUM("frequency", MLX_REAL, MLX_UNIT_HERTZ, "clock"),
    END,
};

static const mlx_field_t cpu_cluster[] = {
    STR("name", "cluster as the system calls it: E, P, ..."),
    INT("cores", "cores in it"),
    NUM("utilization", MLX_REAL, MLX_UNIT_RATIO, "time its cores were busy"),
    NUM("frequency", MLX_REAL, MLX_UNIT_HERTZ, "clock"),
    END,
};

static const mlx_field_t cpu[] = {
    STR("name", "product name"),
    INT("cores", "cores online"),
    GAUGE("utilization", MLX_REAL, MLX_UNIT_RATIO, "mlx_cpu_utilization_ratio",
          "time the cores were busy, mean over all"),
    NUM("user", MLX_REAL, MLX_UNIT_RATIO, "time in user code"),
    NUM("system", MLX_REAL, MLX_UNIT_RATIO, "time in the kernel"),
    NUM("iowait", MLX_REAL, MLX_UNIT_RATIO, "idle time with I/O outstanding"),
    GAUGE("frequency", MLX_REAL, MLX_UNIT_HERTZ, "mlx_cpu_frequency_hertz", "mean clock"),
    GAUGE("load1", MLX_REAL, MLX_UNIT_NONE, "mlx_load1", "load average, 1 minute"),
    NUM("load5", MLX_REAL, MLX_UNIT_NONE, "load average, 5 minutes"),
    NUM("load15", MLX_REAL, MLX_UNIT_NONE, "load average, 15 minutes"),
    GAUGE("pressure", MLX_REAL, MLX_UNIT_RATIO, "mlx_cpu_pressure_ratio",
          "share of the last 10 s in which some task waited for a core (PSI)"),
    LIST("core", cpu_core, "each core"),
    LIST("cluster", cpu_cluster, "each kind of cores, where there are several"),
    LIST("throttle", NULL, "why clocks are throttled, in words: temperature"),
    HELD,
    MISSING,
    END,
};

static const mlx_field_t temperature_sensor[] = {
    STR("label", "what it measures"),
    STR("source", "chip or back end"),
    NUM("celsius", MLX_REAL, MLX_UNIT_CELSIUS, "temperature"),
    NUM("age", MLX_REAL, MLX_UNIT_SECONDS,
        "how long before the message it was measured; absent: 0"),
    END,
};

static const mlx_field_t fan[] = {
    STR("label", "which fan"),
    NUM("rpm", MLX_REAL, MLX_UNIT_RPM, "speed"),
    NUM("age", MLX_REAL, MLX_UNIT_SECONDS,
        "how long before the message it was measured; absent: 0"),
    NUM("min", MLX_REAL, MLX_UNIT_RPM, "slowest speed it is set to"),
    NUM("max", MLX_REAL, MLX_UNIT_RPM, "fastest speed"),
    END,
};

static const mlx_field_t temperature[] = {
    GAUGE("cpu", MLX_REAL, MLX_UNIT_CELSIUS, "mlx_cpu_temperature_celsius", "processor"),
    NUM("gpu", MLX_REAL, MLX_UNIT_CELSIUS, "graphics processor"),
    GAUGE("max", MLX_REAL, MLX_UNIT_CELSIUS, "mlx_temperature_max_celsius", "hottest sensor"),
    STR("thermal_state", "nominal, moderate, heavy, trapping or sleeping (macOS)"),
    LIST("sensor", temperature_sensor, "every sensor"),
    LIST("fan", fan, "every fan"),
    HELD,
    MISSING,
    END,
};

static const mlx_field_t power[] = {
    GAUGE("total", MLX_REAL, MLX_UNIT_WATTS, "mlx_power_watts", "whole machine"),
    GAUGE("cpu", MLX_REAL, MLX_UNIT_WATTS, "mlx_cpu_power_watts", "processor cores"),
    NUM("gpu", MLX_REAL, MLX_UNIT_WATTS, "graphics, all GPUs"),
    NUM("dram", MLX_REAL, MLX_UNIT_WATTS, "memory"),
    NUM("ane", MLX_REAL, MLX_UNIT_WATTS, "Apple Neural Engine"),
    GAUGE("package", MLX_REAL, MLX_UNIT_WATTS, "mlx_package_power_watts", "processor package"),
    COUNTER("energy", MLX_REAL, MLX_UNIT_JOULES, "mlx_package_energy_joules",
            "energy of the package since an arbitrary start"),
    STR("source", "ac or battery"),
    GAUGE("battery", MLX_REAL, MLX_UNIT_RATIO, "mlx_battery_ratio", "battery charge"),
    STR("battery_state", "charging, discharging, full or idle"),
    GAUGE("battery_power", MLX_REAL, MLX_UNIT_WATTS, "mlx_battery_power_watts",
          "power into the battery while it charges, out of it while it discharges"),
    NUM("battery_health", MLX_REAL, MLX_UNIT_RATIO,
        "full charge as a share of what it held when new"),
    NUM("battery_time", MLX_REAL, MLX_UNIT_SECONDS, "until it is full, or empty"),
    INT("battery_cycles", "times it was charged, in full charges"),
    HELD,
    MISSING,
    END,
};

static const mlx_field_t npu_process[] = {
    INT("pid", "process id"),
    STR("program", "its name"),
    NUM("memory", MLX_INT, MLX_UNIT_BYTES, "memory the process holds there"),
    NUM("utilization", MLX_REAL, MLX_UNIT_RATIO, "share of its time the process used"),
    END,
};

static const mlx_field_t npu[] = {
    ID("name", "product name, or the driver's"),
    STR("vendor", "intel, amd, ..."),
    STR("backend", "sensor back end that read it"),
    STR("id", "stable identity: bus address"),
    GAUGE("utilization", MLX_REAL, MLX_UNIT_RATIO, "mlx_npu_utilization_ratio", "time it was busy"),
    GAUGE("memory_used", MLX_INT, MLX_UNIT_BYTES, "mlx_npu_memory_used_bytes",
          "memory its programs hold"),
    GAUGE("frequency", MLX_REAL, MLX_UNIT_HERTZ, "mlx_npu_frequency_hertz", "clock"),
    NUM("frequency_max", MLX_REAL, MLX_UNIT_HERTZ, "fastest clock"),
    LIST("processes", npu_process, "processes that have it open"),
    HELD,
    MISSING,
    END,
};

static const mlx_field_t model[] = {
    ID_AS("name", "model", "name as the runtime gives it"),
    STR("digest", "digest as the runtime gives it"),
    GAUGE("size", MLX_INT, MLX_UNIT_BYTES, "mlx_model_memory_bytes", "memory the model occupies"),
    GAUGE("vram", MLX_INT, MLX_UNIT_BYTES, "mlx_model_vram_bytes", "part of size on the GPU"),
    INT("context", "context length in tokens"),
    ID("quantization", "Q4_K_M, 4bit, ..."),
    STR("parameter_size", "7.6B, ..."),
    STR("family", "llama, qwen2, ..."),
    STR("format", "gguf, safetensors, mlx"),
    TIME("expires_at", "when the runtime unloads it; absent: it stays"),
    BOOL("loading", "it is not ready yet"),
    END,
};

static const mlx_field_t available_model[] = {
    STR("name", "name as the runtime gives it"),
    STR("state", "loaded, unloaded, loading, sleeping, failed, ..."),
    STR("digest", "digest as the runtime gives it"),
    STR("quantization", "Q4_K_M, 4bit, ..."),
    END,
};

static const mlx_field_t runtime_models[] = {
    GAUGE("reachable", MLX_BOOL, MLX_UNIT_NONE, "mlx_runtime_up", "the runtime answers"),
    STR("reason", "why not, for a person"),
    BOOL("loading", "it is loading its model, and not reachable until then"),
    STR("kind", "kind of server:" MLX_RUNTIME_KINDS(MLX_RUNTIME_WORD_BLANK)),
    STR("version", "of the runtime"),
    STR("url", "where it was asked"),
    BOOL("sleeping", "it has freed its model until the next request; absent: it never does"),
    INFO("models", model, "mlx_model_loaded", "models that are loaded now"),
    LIST("available", available_model, "all it could load, where it tells them apart"),
    LIST("can", NULL, "load, unload, pin: what can be done with its models from here"),
    END,
};

static const mlx_field_t running_request[] = {
    STR("model", "model that answers"),
    STR("client", "who asks, where known"),
    INT("tokens", "tokens so far"),
    NUM("tokens_per_second", MLX_REAL, MLX_UNIT_TOKENS_PER_SECOND, "generation speed now"),
    NUM("age", MLX_REAL, MLX_UNIT_SECONDS, "time since the request"),
    INT("prompt_tokens", "of its prompt; this and what follows while that is read only"),
    INT("prompt_done", "of these, read or found in the cache"),
    INT("prompt_cached", "of these, found in the cache"),
    NUM("prompt_tokens_per_second", MLX_REAL, MLX_UNIT_TOKENS_PER_SECOND,
        "speed of the prompt tokens that were not cached"),
    NUM("prompt_remaining", MLX_REAL, MLX_UNIT_SECONDS, "estimate until it is read; never rises"),
    END,
};

static const mlx_field_t last_request[] = {
    ID("model", "model that answered"),
    INT("tokens", "tokens generated"),
    NUM("tokens_per_second", MLX_REAL, MLX_UNIT_TOKENS_PER_SECOND,
        "(tokens - 1) over the time from the first token to the last"),
    INT("prompt_tokens", "prompt tokens processed"),
    NUM("prompt_tokens_per_second", MLX_REAL, MLX_UNIT_TOKENS_PER_SECOND,
        "prompt tokens that were not cached, over the time spent on them"),
    NUM("ttft", MLX_REAL, MLX_UNIT_SECONDS, "time to first token"),
    NUM("duration", MLX_REAL, MLX_UNIT_SECONDS, "whole request"),
    TIME("t", "when it ended"),
    STR("source", "tap, runner, slots, metrics or log"),
    STR("outcome", "ok, error, client_abort or server_abort"),
    END,
};

const mlx_field_t mlx_fields_request[] = {
    TIME("start", "when it reached the runtime"),
    TIME("end", "when it ended"),
    STR("model", "model that answered"),
    STR("client", "who asked: process, else program of the User-Agent, else address"),
    STR("process", "program on this machine that holds the client's socket"),
    INT("pid", "its process id"),
    STR("agent", "User-Agent"),
    STR("key", "fingerprint of the API key: a salted hash, cut; never the key"),
    STR("address", "where the client connected from"),
    STR("api", "generate, chat, chat_completions, completions, responses, messages, embeddings, "
               "rerank"),
    INT("prompt_tokens", "of the whole prompt, what was cached included"),
    INT("cached_tokens", "of these, found in the cache"),
    INT("tokens", "generated"),
    INT("draft_tokens", "proposed by a draft model"),
    INT("draft_accepted", "of these, accepted"),
    NUM("queue", MLX_REAL, MLX_UNIT_SECONDS, "wait until work on the prompt began, loading apart"),
    NUM("load", MLX_REAL, MLX_UNIT_SECONDS, "loading the model"),
    NUM("ttft", MLX_REAL, MLX_UNIT_SECONDS, "time to first token"),
    NUM("prompt_tokens_per_second", MLX_REAL, MLX_UNIT_TOKENS_PER_SECOND,
        "speed of the prompt tokens that were not cached"),
    NUM("tokens_per_second", MLX_REAL, MLX_UNIT_TOKENS_PER_SECOND,
        "(tokens - 1) over the time from the first token to the last"),
    STR("outcome", "ok, error, client_abort, server_abort or lost"),
    INT("status", "HTTP status"),
    STR("source", "who measured: tap, runner, slots, metrics or log"),
    BOOL("exact", "tokens is the server's own count; false: counted from the traffic"),
    INT("requests", "several that nobody saw apart, at least so many: counts are their sums, times "
                    "their means; absent: one"),
    NUM("joules", MLX_REAL, MLX_UNIT_JOULES,
        "energy of the machine's known parts meanwhile, idle power included, shared among the "
        "requests that ran; energy.list tells what is above idle"),
    END,
};

static const mlx_field_t cut_prompt[] = {
    TIME("t", "when the server cut it"),
    INT("asked", "tokens that it had"),
    INT("kept", "tokens that the model was given"),
    END,
};

static const mlx_field_t runtime_activity[] = {
    GAUGE("busy", MLX_BOOL, MLX_UNIT_NONE, "mlx_runtime_busy", "a request is being worked on"),
    GAUGE("requests", MLX_INT, MLX_UNIT_NONE, "mlx_requests_running", "requests running now"),
    STR("model", "model at work, or the last one"),
    GAUGE("tokens_per_second", MLX_REAL, MLX_UNIT_TOKENS_PER_SECOND,
          "mlx_generation_tokens_per_second", "generation speed now, all requests; absent: idle"),
    GAUGE("prompt_tokens_per_second", MLX_REAL, MLX_UNIT_TOKENS_PER_SECOND,
          "mlx_prompt_tokens_per_second", "prompt processing speed now"),
    GAUGE("ttft", MLX_REAL, MLX_UNIT_SECONDS, "mlx_time_to_first_token_seconds",
          "time to first token of the newest request"),
    COUNTER("tokens_total", MLX_INT, MLX_UNIT_NONE, "mlx_generation_tokens",
            "tokens generated since the watcher started, as far as it saw them"),
    COUNTER("prompt_tokens_total", MLX_INT, MLX_UNIT_NONE, "mlx_prompt_tokens",
            "prompt tokens processed"),
    COUNTER("requests_total", MLX_INT, MLX_UNIT_NONE, "mlx_requests", "requests ended"),
    COUNTER("errors_total", MLX_INT, MLX_UNIT_NONE, "mlx_request_errors",
            "requests that failed or were cut off"),
    STR("source", "where the speed comes from: tap, runner, slots, metrics or log"),
    STR("source_reason", "why no better source is used"),
    LIST("running", running_request, "requests running now, where known one by one"),
    MAP("last", last_request, "the newest request that ended"),
    MAP("cut", cut_prompt, "the newest prompt that was longer than its context"),
    END,
};

const mlx_field_t mlx_fields_bench_progress[] = {
    STR("id", "of the run"),
    STR("model", "model measured"),
    STR("phase", "load, warmup, prompts or done"),
    INT("prompt", "prompt number, from 1"),
    INT("prompts", "prompts in all"),
    STR("point", "of a sweep: what is measured now, \"2048 tokens\" or \"4 clients\""),
    INT("round", "of a sweep: how often its points were measured, from 1"),
    NUM("elapsed", MLX_REAL, MLX_UNIT_SECONDS, "since the start"),
    NUM("remaining", MLX_REAL, MLX_UNIT_SECONDS, "estimate until the end"),
    NUM("tokens_per_second", MLX_REAL, MLX_UNIT_TOKENS_PER_SECOND, "speed of the newest prompt"),
    END,
};

static const mlx_field_t interval[] = {
    INT("count", "prompts, or rounds, that gave a value"),
    NUM("median", MLX_REAL, MLX_UNIT_NONE, "median over prompts"),
    NUM("mean", MLX_REAL, MLX_UNIT_NONE, "mean over prompts"),
    NUM("low", MLX_REAL, MLX_UNIT_NONE, "lower end of the 95 % interval of the mean"),
    BOOL("range", "low and high are the least and greatest value: no interval can be told"),
    NUM("high", MLX_REAL, MLX_UNIT_NONE, "upper end"),
    NUM("p10", MLX_REAL, MLX_UNIT_NONE, "10th percentile"),
    NUM("p90", MLX_REAL, MLX_UNIT_NONE, "90th percentile"),
    END,
};

static const mlx_field_t bench_prompt[] = {
    STR("name", "kind of prompt"),
    INT("tokens", "tokens generated"),
    NUM("tokens_per_second", MLX_REAL, MLX_UNIT_TOKENS_PER_SECOND,
        "(tokens - 1) over the time since the first, by the server's clock, else the client's"),
    NUM("client_tokens_per_second", MLX_REAL, MLX_UNIT_TOKENS_PER_SECOND, "by the client's clock"),
    NUM("total_tokens_per_second", MLX_REAL, MLX_UNIT_TOKENS_PER_SECOND,
        "of several clients: tokens of all, over the time from the first of any to the last"),
    INT("prompt_tokens", "prompt tokens processed"),
    NUM("prompt_tokens_per_second", MLX_REAL, MLX_UNIT_TOKENS_PER_SECOND,
        "server's figure, else prompt tokens by time to first token"),
    NUM("ttft", MLX_REAL, MLX_UNIT_SECONDS, "time to first token, by the client's clock"),
    NUM("queued", MLX_REAL, MLX_UNIT_SECONDS,
        "of ttft, what the server did not spend on the prompt; the model is loaded by then"),
    NUM("duration", MLX_REAL, MLX_UNIT_SECONDS, "whole request, by the client's clock"),
    INT("cached_tokens", "of the prompt, that the server had in its cache, where it tells"),
    INT("thinking_tokens", "of those generated, that are thinking, where it can be told"),
    INT("draft_tokens", "proposed by a draft model, where the server tells"),
    INT("draft_accepted", "of those, accepted"),
    STR("done_reason", "length, stop, ...; cut: broken off to stay in time"),
    STR("error", "why there are no figures"),
    END,
};

static const mlx_field_t sweep_point[] = {
    STR("name", "\"2048 tokens\" or \"4 clients\": what was asked for"),
    INT("clients", "requests at once"),
    INT("prompt_tokens", "of each request, as the server counted them, mean over rounds"),
    MAP("tokens_per_second", interval, "generation speed of each client; a value a round"),
    MAP("client_tokens_per_second", interval, "the same by the client's clock"),
    MAP("total_tokens_per_second", interval, "of all clients together"),
    MAP("prompt_tokens_per_second", interval, "prompt speed"),
    MAP("ttft", interval, "time to first token, seconds"),
    END,
};

const mlx_field_t mlx_fields_bench_result[] = {
    STR("id", "of the run"),
    STR("model", "model measured"),
    STR("digest", "of the model"),
    STR("quantization", "of the model"),
    STR("runtime", "kind of runtime"),
    STR("runtime_version", "of the runtime"),
    STR("url", "endpoint measured"),
    STR("hardware", "CPU and GPU names"),
    STR("prompt_set", "which prompts: only results of the same set can be compared"),
    INT("context", "tokens that the model is loaded for"),
    INT("tokens", "tokens generated, without the warm-up"),
    INT("cached_tokens", "prompt tokens that the server had in its cache, where it tells"),
    INT("thinking_tokens", "of those generated, that are thinking, where it can be told"),
    INT("draft_tokens", "proposed by a draft model, where the server tells"),
    INT("draft_accepted", "of those, accepted"),
    NUM("duration", MLX_REAL, MLX_UNIT_SECONDS, "wall time of the run, without loading the model"),
    NUM("load", MLX_REAL, MLX_UNIT_SECONDS, "time to load the model; absent: it was loaded"),
    MAP("tokens_per_second", interval, "generation speed, tokens per second"),
    MAP("prompt_tokens_per_second", interval, "prompt speed, tokens per second"),
    MAP("client_tokens_per_second", interval, "generation speed by the client's clock"),
    MAP("ttft", interval, "time to first token, seconds"),
    NUM("power", MLX_REAL, MLX_UNIT_WATTS, "mean during the prompts"),
    STR("power_scope", "of what: machine, or the parts that are known (GPUs, package)"),
    NUM("joules_per_token", MLX_REAL, MLX_UNIT_JOULES,
        "energy per generated token, that of the prompts and of idling included"),
    STR("thermal_state", "at the end of the run"),
    NUM("temperature", MLX_REAL, MLX_UNIT_CELSIUS, "hottest sensor during the run"),
    NUM("contention", MLX_REAL, MLX_UNIT_RATIO,
        "share of the run in which others were busy, or our requests waited for their turn"),
    NUM("queued", MLX_REAL, MLX_UNIT_SECONDS, "that our requests waited for their turn"),
    LIST("warnings", NULL, "what makes the figures doubtful"),
    LIST("prompts", bench_prompt, "each prompt; of a sweep each round, means over its clients"),
    STR("sweep", "\"context\" or \"parallel\": what was measured against; absent: a usual run"),
    LIST("points", sweep_point, "of a sweep, from the least context or the fewest clients"),
    TIME("t", "when the run ended"),
    END,
};

static const mlx_field_t cache_model[] = {
    STR("name", "model name"),
    NUM("size", MLX_INT, MLX_UNIT_BYTES, "bytes of its files"),
    LIST("used_by", NULL, "apps that use it"),
    END,
};

const mlx_field_t mlx_fields_cache_status[] = {
    STR("dir", "where the cache is"),
    INT("models_count", "models in the cache"),
    GAUGE("bytes", MLX_INT, MLX_UNIT_BYTES, "mlx_cache_bytes", "disk space the cache uses"),
    GAUGE("saved", MLX_INT, MLX_UNIT_BYTES, "mlx_cache_saved_bytes",
          "disk space that sharing avoided"),
    INT("duplicates_avoided", "copies that do not exist"),
    NUM("duplicate_bytes", MLX_INT, MLX_UNIT_BYTES, "disk space that is there twice"),
    NUM("lookalike_bytes", MLX_INT, MLX_UNIT_BYTES,
        "of files as long as others, not read yet: they may be there twice"),
    LIST("models", cache_model, "each model"),
    END,
};

static const mlx_field_t cache_progress[] = {
    STR("id", "of the operation"),
    STR("operation", "add, link, dedup, clean, ..."),
    STR("model", "model worked on"),
    STR("phase", "resolve, download, verify, ..."),
    NUM("done", MLX_INT, MLX_UNIT_BYTES, "bytes done"),
    NUM("total", MLX_INT, MLX_UNIT_BYTES, "bytes in all"),
    NUM("rate", MLX_REAL, MLX_UNIT_BYTES_PER_SECOND, "speed now"),
    NUM("eta", MLX_REAL, MLX_UNIT_SECONDS, "estimate until the end"),
    END,
};

static const mlx_field_t history_status[] = {
    STR("path", "database file"),
    GAUGE("bytes", MLX_INT, MLX_UNIT_BYTES, "mlx_history_bytes", "size on disk"),
    INT("series", "series known"),
    INT("samples", "samples stored since start"),
    INT("lost", "samples not stored: the disk was full, or there were too many series"),
    TIME("oldest", "time of the oldest sample"),
    NUM("flush", MLX_REAL, MLX_UNIT_SECONDS, "time the newest flush took"),
    END,
};

static const mlx_field_t service_health[] = {
    STATE("state", "up", "mlx_service_up", "up, degraded or down"),
    STR("reason", "why not up, for a person"),
    STR("version", "of the program"),
    INT("pid", "process id"),
    NUM("uptime", MLX_REAL, MLX_UNIT_SECONDS, "since its start"),
    COUNTER("messages", MLX_INT, MLX_UNIT_NONE, "mlx_service_messages", "messages published"),
    COUNTER("drops", MLX_INT, MLX_UNIT_NONE, "mlx_service_drops",
            "messages lost on the way to it, by sequence gaps"),
    COUNTER("errors", MLX_INT, MLX_UNIT_NONE, "mlx_service_errors", "errors counted"),
    GAUGE("memory", MLX_INT, MLX_UNIT_BYTES, "mlx_service_memory_bytes",
          "memory it costs the machine (shared pages divided by their users)"),
    COUNTER("cpu", MLX_REAL, MLX_UNIT_SECONDS, "mlx_service_cpu_seconds", "CPU time used"),
    STR("last_error", "the newest error, one line"),
    END,
};

const mlx_field_t mlx_fields_alert[] = {
    STATE("state", "firing", "mlx_alert_firing", "firing or resolved"),
    STR("summary", "one line for a person"),
    STR("topic", "where the value came from"),
    STR("field", "which value"),
    NUM("value", MLX_REAL, MLX_UNIT_NONE, "the value"),
    NUM("threshold", MLX_REAL, MLX_UNIT_NONE, "the limit it crossed"),
    TIME("since", "when it began"),
    TIME("silenced_until", "nobody is told until then; absent: it is not silenced"),
    END,
};

const mlx_field_t mlx_fields_finding[] = {
    STATE("state", "firing", "mlx_finding_firing", "firing or resolved"),
    STR("summary", "one line for a person, with the numbers"),
    STR("remedy", "what helps, with the command"),
    STR("subject", "what it is about: a topic, or a topic and a model"),
    NUM("value", MLX_REAL, MLX_UNIT_NONE, "the number that it was found by, where there is one"),
    NUM("threshold", MLX_REAL, MLX_UNIT_NONE, "the limit of it"),
    TIME("since", "when it began, or ended"),
    END,
};

const mlx_topic_t mlx_topic_table[] = {
    {"sensor.gpu.<n>", true, 1, "One GPU", gpu, "gpu"},
    {"sensor.npu.<n>", true, 1, "One neural processor (NPU)", npu, "npu"},
    {"sensor.memory", true, 1, "Main memory", memory, NULL},
    {"sensor.cpu", true, 1, "Processor", cpu, NULL},
    {"sensor.temperature", true, 1, "Temperatures and fans", temperature, NULL},
    {"sensor.power", true, 1, "Power and energy", power, NULL},
    {"runtime.<kind>.<endpoint>.models", true, 5, "A model server and what it has loaded",
     runtime_models, "runtime,endpoint"},
    {"runtime.<kind>.<endpoint>.activity", true, 5, "What a model server does right now",
     runtime_activity, "runtime,endpoint"},
    {"runtime.<kind>.<endpoint>.request", false, 0, "A request that has ended", mlx_fields_request,
     "runtime,endpoint"},
    {"bench.progress", false, 0, "A benchmark run under way", mlx_fields_bench_progress, NULL},
    {"bench.result", true, 0, "The newest benchmark result", mlx_fields_bench_result, NULL},
    {"cache.status", true, 5, "The shared model cache", mlx_fields_cache_status, NULL},
    {"cache.progress", false, 0, "A cache operation under way", cache_progress, NULL},
    {"history.status", true, 5, "The history database", history_status, NULL},
    {"energy.status", true, 5, "What energy went into", mlx_fields_energy_status, NULL},
    {"service.<name>.health", true, 2, "A process of the suite", service_health, "service"},
    {"alert.<rule>", true, 0, "An alert rule that fires or has ended", mlx_fields_alert, "rule"},
    {"finding.<rule>", true, 0, "Why the machine is slow for its models, and what helps",
     mlx_fields_finding, "rule"},
};

const size_t mlx_topic_table_count = MLX_COUNT(mlx_topic_table);
