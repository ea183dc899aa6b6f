/*  mlxctl: the command line of the suite. The table below is its help, man page and completion. */
#include <locale.h>

#include "ctl.h"
#include "machines.h"

static const mlx_option_t common_options[] = {
    {.name = "config",
     .value = "FILE",
     .help = "Read settings from FILE instead of the default location.",
     .complete = "file"},
    {.name = "json", .help = "Print JSON, with a stable schema."},
    {0},
};

static const mlx_option_t status_options[] = {
    {.name = "wait", .value = "SECONDS", .help = "Wait up to SECONDS until all values are live."},
    {.name = "host", .value = "NAME", .help = "Show the machine NAME.", .complete = "host"},
    {.name = "all", .help = "Show one row for each machine."},
    {0},
};

static const mlx_option_t top_options[] = {
    {.name = "host", .value = "NAME", .help = "Show the machine NAME first.", .complete = "host"},
    {0},
};

static const mlx_option_t watch_options[] = {
    {.name = "host", .value = "NAME", .help = "Only of the machine NAME.", .complete = "host"},
    {.name = "count", .letter = 'n', .value = "N", .help = "Exit after N messages."},
    {0},
};

static const mlx_option_t bench_options[] = {
    {.name = "compare",
     .help = "Compare with earlier results of the model; with two ids, compare those, without a "
             "run."},
    {.name = "list", .help = "List stored results, of <model> or of all; measure nothing."},
    {.name = "suite", .help = "Measure each <model> in turn, and print one table."},
    {.name = "sweep",
     .value = "KIND",
     .help = "Speed against context depth (context) or against 1 to 8 clients (parallel).",
     .words = "context|parallel"},
    {.name = "stored", .value = "ID", .help = "Show the stored result ID instead of a run."},
    {.name = "report",
     .value = "FILE",
     .help = "Write a page to share, in one HTML file.",
     .complete = "file"},
    {.name = "seal",
     .value = "FILE",
     .help = "Write canonical JSON with its SHA-256, signed with this machine's key.",
     .complete = "file"},
    {.name = "check",
     .value = "FILE",
     .help = "Check what --seal wrote: is it unchanged, and whose key signed it?",
     .complete = "file"},
    {.name = "prompts",
     .value = "FILE",
     .help = "Use the prompts in FILE, one per line, instead of the built-in ten.",
     .complete = "file"},
    {.name = "url", .value = "URL", .help = "Measure the runtime at URL."},
    {.name = "budget",
     .value = "SECONDS",
     .help = "Finish within SECONDS, not counting model loading."},
    {.name = "csv", .help = "Print CSV, one line per prompt."},
    {.name = "md", .help = "Print Markdown."},
    {0},
};

static const mlx_option_t config_options[] = {
    {.name = "run-dir", .help = "Print only the directory of the bus's sockets."},
    {.name = "example", .help = "Print a commented configuration file."},
    {.name = "man", .help = "Print mlx-config(5), the page of every setting."},
    {0},
};

static const mlx_option_t history_options[] = {
    MLX_MACHINE_OPTIONS,
    {.name = "since",
     .value = "TIME",
     .help = "Start: how long ago (5m, 7d), a date, or \"all\" for the first sample; default one "
             "hour before the end."},
    {.name = "until", .value = "TIME", .help = "End; default now."},
    {.name = "step", .value = "DURATION", .help = "Interval between points."},
    {.name = "plot", .help = "Plot even when the output is not a terminal."},
    {.name = "csv", .help = "Print CSV even on a terminal."},
    {.name = "follow", .help = "Continue with what is recorded from now on, until Ctrl-C."},
    {.name = "percentiles", .help = "Of ttft, latency or tokens: percentiles over time."},
    {.name = "model", .value = "PART", .help = "Of ttft, latency or tokens: only these models."},
    {.name = "tier",
     .value = "TIER",
     .help = "Rows to export: raw (the default), minute or hour.",
     .words = "raw|minute|hour"},
    {0},
};

static const mlx_option_t load_options[] = {
    {.name = "runtime",
     .value = "NAME",
     .help = "The runtime to ask, by its kind or URL, where several have the model."},
    {0},
};

static const mlx_option_t unload_options[] = {
    {.name = "runtime",
     .value = "NAME",
     .help = "The runtime to ask, by its kind or URL, where several have the model."},
    {.name = "force", .help = "Unload it even while it works on a request."},
    {0},
};

static const mlx_option_t record_options[] = {
    {.name = "sensors", .help = "Record sensors only: no models and no requests."},
    {.name = "duration", .value = "TIME", .help = "Stop after TIME (90s, 10m); default: Ctrl-C."},
    {.name = "note", .value = "TEXT", .help = "Keep TEXT with the recording."},
    {.name = "unmasked", .help = "Keep the names of hosts, users and programs."},
    {.name = "yes", .help = "Replace FILE if it exists."},
    {0},
};

static const mlx_option_t replay_options[] = {
    {.name = "speed", .value = "N", .help = "Play N times as fast, 0.01 to 1000; default 1."},
    {.name = "loop", .help = "Start again at the end."},
    {.name = "host", .value = "NAME", .help = "Call the recorded machine NAME."},
    {.name = "exact",
     .help = "Publish every byte as recorded, with the original times; default: with the current "
             "time."},
    {.name = "print", .help = "Print the messages as JSON lines instead; needs no bus."},
    {0},
};

static const mlx_option_t requests_options[] = {
    MLX_MACHINE_OPTIONS,
    {.name = "client",
     .value = "TEXT",
     .help = "Only of clients whose name, program, User-Agent, key fingerprint or address contains "
             "TEXT."},
    {.name = "model",
     .value = "TEXT",
     .help = "Only of models whose name contains TEXT.",
     .complete = "model"},
    {.name = "since",
     .value = "TIME",
     .help = "All that ended since TIME: how long ago (2h, 7d) or a date."},
    {.name = "count", .letter = 'n', .value = "N", .help = "The newest N; default 25."},
    {.name = "follow", .letter = 'f', .help = "Continue with each request as it ends."},
    {.name = "csv", .help = "Print CSV, every field a column."},
    {0},
};

static const mlx_option_t alerts_options[] = {
    MLX_MACHINE_OPTIONS,
    {.name = "test", .value = "RULE", .help = "Let RULE fire for ten seconds, on every route."},
    {.name = "silence",
     .value = "RULE",
     .help = "Silence RULE for the time that follows (2h, 1d; default 1h; 0 ends it)."},
    {0},
};

static const mlx_option_t machine_options[] = {
    MLX_MACHINE_OPTIONS,
    {0},
};

static const mlx_option_t doctor_options[] = {
    {.name = "host", .value = "NAME", .help = "Of the machine NAME.", .complete = "host"},
    {0},
};

static const mlx_option_t energy_options[] = {
    MLX_MACHINE_OPTIONS,
    {.name = "by",
     .value = "WHAT",
     .help = "A row for each model (the default), client, day or hour; or the total only.",
     .words = "model|client|day|hour|total"},
    {.name = "since", .value = "TIME", .help = "Start: how long ago (2h, 7d) or a date."},
    {.name = "until", .value = "TIME", .help = "End; default now."},
    {.name = "csv", .help = "Print CSV, every figure a column."},
    {0},
};

static const mlx_option_t mcp_options[] = {
    {.name = "changes", .help = "Offer the tools that load and unload models too."},
    {.name = "url",
     .help = "Print how an agent reaches the gateway instead (gateway.mcp), with its token."},
    {0},
};

static const mlx_option_t keys_options[] = {
    {.name = "force", .help = "Replace existing keys."},
    {0},
};

static const mlx_args_command_t commands[] = {
    {.name = "status",
     .summary = "Show what the machine is doing for its models",
     .about = "One screen: speed, model, memory, GPU, temperature, power, runtimes and where each "
              "speed comes from, services. What is not available is listed with the reason.",
     .options = status_options,
     .run = mlx_cmd_status},
    {.name = "top",
     .summary = "Full-screen live monitor",
     .about = "Where several machines are connected it begins with a row for each; f and h choose "
              "one. The key ? lists every key.",
     .options = top_options,
     .run = mlx_cmd_top},
    {.name = "watch",
     .operands = "[<prefix>...]",
     .max = -1,
     .summary = "Print messages as JSON lines, last values first",
     .options = watch_options,
     .complete = "topic",
     .run = mlx_cmd_watch},
    {.name = "bench",
     .operands = "[<model>...] | --compare <id> <id>",
     .max = -1,
     .summary = "Measure a model's speed in less than a minute",
     .about =
         "Asks ten prompts of different kinds, with lengths fitted to the model's speed, and "
         "reports generation speed, prompt speed and time to first token with their 95 % "
         "intervals. "
         "Without <model> the one that is loaded is measured. A model stays loaded as long as it "
         "would have. Ctrl-C stops the model at once. With fewer than ten values, their range is "
         "reported instead of an interval; runs are compared only where both replies of at least "
         "three "
         "prompts have 32 tokens.",
     .options = bench_options,
     .complete = "model",
     .run = mlx_cmd_bench},
    {.name = "history",
     .operands = "[<series>|tok/s|gpu|memory|cpu|temp|power|energy|requests] | "
                 "ttft|latency|tokens | list [<prefix>] | export <series>... | info | vacuum",
     .max = -1,
     .summary = "Plot, print or export recorded history",
     .about =
         "Without an operand the main series of this machine are plotted; short names stand for "
         "them. A series is host/topic/field, as `mlxctl history list` shows them; without the "
         "host it is this machine's. Gaps in the record stay gaps. With export, a name that ends "
         "in \"*\" stands for every series that starts with it, and --json gives one JSON object a "
         "line. With ttft (time "
         "to the first token), latency or tokens, how requests are spread: a histogram and "
         "percentiles, to within 2 %, of a day unless --since says otherwise.",
     .options = history_options,
     .complete = "history",
     .run = mlx_cmd_history},
    {.name = "record",
     .operands = "<file>",
     .min = 1,
     .max = 1,
     .summary = "Record the bus into a file, for a bug report",
     .about = "Writes every message to <file>, compressed, until Ctrl-C. The names of hosts, users "
              "and programs are replaced by host-1, user-1, program-1; everything else, names of "
              "models included, is kept. `mlxctl replay --print <file>` shows what is in it.",
     .options = record_options,
     .run = mlx_cmd_record},
    {.name = "replay",
     .operands = "<file>",
     .min = 1,
     .max = 1,
     .summary = "Play a recording on the bus",
     .about = "Publishes the messages of <file> at the pace at which they were recorded, as those "
              "of a machine of their own: every front end shows it beside this one. Refused where "
              "a machine of that name is alive on the bus; --host gives it another.",
     .options = replay_options,
     .run = mlx_cmd_replay},
    {.name = "requests",
     .summary = "Show who asked which model for what, and what it took",
     .about = "One row for each request that has ended, the newest last: when, client, model, "
              "tokens of the prompt (and how many of them were cached) and generated, speed, time "
              "to first token, duration, outcome. A client is the program that asked, where it "
              "runs on this machine, else what its User-Agent says, else its address. Prompts and "
              "keys are never kept, only a fingerprint of the key. Counts are the server's own "
              "where the request went through the tap (`mlxctl tap`); what is not known is left "
              "empty. With --json and --follow each request is one line.",
     .options = requests_options,
     .run = mlx_cmd_requests},
    {.name = "doctor",
     .summary = "Say what is missing, why there is no tok/s, and what to type",
     .about = "Checks the configuration, the bus, each service, the sensors, the model servers and "
              "where their speed comes from, one line each, with what helps. Asks no model server "
              "for anything and changes nothing.\n\nExit status 1 when something does not work.",
     .options = doctor_options,
     .run = mlx_cmd_doctor},
    {.name = "findings",
     .summary = "Show what slows the machine down for its models, and what helps",
     .about = "Newest first: what began and what is over, each with its numbers. What holds now is "
              "also in `mlxctl status`.",
     .options = machine_options,
     .run = mlx_cmd_findings},
    {.name = "alerts",
     .operands = "[<time>]",
     .max = 1,
     .summary = "Show the alert rules and their state; test or silence one",
     .about = "Rules are set by alert.rules, webhooks that receive alerts by alert.routes (JSON, "
              "ntfy or Slack). A silenced alert is shown nowhere but here; what still fires when "
              "the silence ends is reported then.",
     .options = alerts_options,
     .run = mlx_cmd_alerts},
    {.name = "energy",
     .summary = "Show what models and clients cost in energy and money",
     .about = "Power above idle is shared equally, at each moment, among the requests that ran. "
              "Money needs energy.price (and energy.tariffs by the hour) in the configuration, CO2 "
              "energy.co2. What was not measured is n/a and not counted; energy is settled a "
              "minute after it was used, as soon as no request runs that may have a share in it.",
     .options = energy_options,
     .run = mlx_cmd_energy},
    {.name = "models",
     .summary = "Show the models that are loaded or could be, and who used them last",
     .options = machine_options,
     .run = mlx_cmd_models},
    {.name = "load",
     .operands = "<model>",
     .min = 1,
     .max = 1,
     .summary = "Load a model into memory",
     .about = "For runtimes that can: Ollama, llama-server as a router. Waits until it is loaded "
              "and reports the memory in use before and after.",
     .options = load_options,
     .complete = "model",
     .run = mlx_cmd_load},
    {.name = "unload",
     .operands = "<model>",
     .min = 1,
     .max = 1,
     .summary = "Free the memory of a model",
     .about = "For runtimes that can: Ollama, llama-server as a router. Refused while the model "
              "works on a request, unless --force is given. Reports the memory in use before and "
              "after.",
     .options = unload_options,
     .complete = "model",
     .run = mlx_cmd_unload},
    {.name = "pin",
     .operands = "<model>",
     .min = 1,
     .max = 1,
     .summary = "Load a model and keep it loaded",
     .about = "For Ollama: the model stays until it is unloaded.",
     .options = load_options,
     .complete = "model",
     .run = mlx_cmd_pin},
    {.name = "services",
     .operands = "[restart <name>]",
     .max = 2,
     .summary = "Show the suite's processes, or restart one",
     .options = machine_options,
     .complete = "service",
     .run = mlx_cmd_services},
    {.name = "topics",
     .summary = "Show the reference of every topic, field, unit and command",
     .run = mlx_cmd_topics},
    {.name = "tap",
     .summary = "Explain how to measure every request, with time to first token",
     .run = mlx_cmd_tap},
    {.name = "config",
     .summary = "Show every setting and where its value comes from",
     .options = config_options,
     .run = mlx_cmd_config},
    {.name = "mcp",
     .summary = "Serve agents over the Model Context Protocol, on stdin and stdout",
     .about = "An agent starts this program itself: `claude mcp add mlx -- mlxctl mcp`, or "
              "{\"mcpServers\": "
              "{\"mlx\": {\"command\": \"mlxctl\", \"args\": [\"mcp\"]}}} in its settings. Tools "
              "tell what "
              "runs, how fast, why slow, the machine's state, history and the model cache. "
              "Reading loads no model and keeps none awake.",
     .options = mcp_options,
     .run = mlx_cmd_mcp},
    {.name = "skill",
     .summary = "Print a SKILL.md that teaches an agent to use the suite",
     .about = "Keep it where your agents look: `mkdir -p ~/.agents/skills/mlx && mlxctl skill "
              ">~/.agents/skills/mlx/SKILL.md`.",
     .run = mlx_cmd_skill},
    {.name = "keys",
     .operands = "init|show|signing|list|allow <name> <key>|deny <name>",
     .min = 1,
     .max = 3,
     .summary = "Manage the keys for reading this bus from other machines",
     .options = keys_options,
     .complete = "key",
     .run = mlx_cmd_keys},
    {0},
};

static const mlx_example_t examples[] = {
    {"mlxctl status", "One screen of what happens now."},
    {"mlxctl status --json | jq .headline.tokens_per_second", "The speed, for a script."},
    {"mlxctl status --all", "One row for each machine of the fleet."},
    {"mlxctl doctor", "Find out why something is missing."},
    {"mlxctl watch runtime. | jq -c .d", "Every message of the model servers as JSON lines."},
    {"mlxctl top --host studio", "The dashboard of another machine."},
    {"mlxctl requests --since 2h --client chat", "Who asked for what in the last two hours."},
    {"mlxctl requests --follow --json", "Each request as it ends, for a script."},
    {"mlxctl bench llama3.2:3b --compare", "Measure a model and compare with its earlier results."},
    {"mlxctl bench --sweep context", "How speed falls as the context fills, with a plot."},
    {"mlxctl bench --list", "Results that are stored."},
    {"mlxctl history gpu --since 7d --csv", "A week of one series as CSV."},
    {"mlxctl unload llama3.2:3b", "Free the memory of a model."},
    {"mlxctl services restart watcher", "Restart a part of the suite."},
    {"mlxctl config --example > ~/.config/mlx/config.yaml", "Begin a configuration file."},
    {"mlxctl record --duration 5m report.mlxrec", "Five minutes of everything for a bug report."},
    {"mlxctl replay --speed 10 report.mlxrec", "Play it on another bus, ten times as fast."},
    {0},
};

static const mlx_program_t program = {
    .self = {.name = "mlxctl",
             .summary = "inspect and control the MLX suite",
             .options = common_options},
    .commands = commands,
    .examples = examples,
    .see_also = "mlx-bus(1), mlx-sampler(1), mlx-watcher(1), mlx-bencher(1), mlx-menubar(1)",
    .names = mlx_ctl_names,
};

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    return mlx_args_main(&program, argc, argv, NULL);
}
