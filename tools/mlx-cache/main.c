/*  mlx-cache: one verified copy of every model, shared by every app. The table below is its help,
 *  man page and completion. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const mlx_option_t common_options[] = {
    {.name = "json", .help = "Print JSON, with a stable schema."},
    {.name = "dir",
     .value = "DIR",
     .help = "Use the cache in DIR instead of ~/.mlx-cache.",
     .complete = "dir"},
    {0},
};

static const mlx_option_t change_options[] = {
    {.name = "dry-run", .letter = 'n', .help = "Show what would be done without doing it."},
    {0},
};

static const mlx_option_t add_options[] = {
    {.name = "as", .value = "NAME", .help = "Call the model NAME."},
    {.name = "revision",
     .value = "REV",
     .help = "Branch, tag or commit on the hub (default main)."},
    {.name = "include",
     .value = "PATTERN",
     .help = "Only files of the repository that match; repeatable."},
    {.name = "exclude", .value = "PATTERN", .help = "Leave out files that match; repeatable."},
    {.name = "streams", .value = "N", .help = "Files downloaded in parallel, 1 to 16 (default 4)."},
    {.name = "copy", .help = "Allow a second copy where bytes cannot be shared."},
    {.name = "trust", .help = "Accept it even if its files could run code when they are loaded."},
    {.name = "dry-run", .letter = 'n', .help = "Show what would be done without doing it."},
    {0},
};

static const mlx_option_t adopt_options[] = {
    {.name = "trust",
     .help = "Also accept models whose files could run code when they are loaded."},
    {.name = "copy", .help = "Allow a second copy where bytes cannot be shared."},
    {.name = "dry-run", .letter = 'n', .help = "Show what would be done without doing it."},
    {0},
};

static const mlx_option_t link_options[] = {
    {.name = "as", .value = "NAME", .help = "Name under which the app sees the model."},
    {.name = "store",
     .value = "DIR",
     .help = "Folder of the app's models, if not the default.",
     .complete = "dir"},
    {.name = "copy", .help = "Allow a second copy where bytes cannot be shared."},
    {.name = "dry-run", .letter = 'n', .help = "Show what would be done without doing it."},
    {0},
};

static const mlx_option_t clean_options[] = {
    {.name = "older-than",
     .value = "DAYS",
     .help = "Only what was unused for DAYS days (default 30)."},
    {.name = "yes", .letter = 'y', .help = "Carry the plan out; without this it is only shown."},
    {.name = "apply", .help = "The same as --yes."},
    {.name = "dry-run", .letter = 'n', .help = "Show the plan (the default)."},
    {0},
};

static const mlx_option_t dedup_options[] = {
    {.name = "yes", .letter = 'y', .help = "Carry the plan out; without this it is only shown."},
    {.name = "apply", .help = "The same as --yes."},
    {.name = "dry-run", .letter = 'n', .help = "Show the plan (the default)."},
    {0},
};

static const mlx_option_t undo_options[] = {
    {.name = "dry-run", .letter = 'n', .help = "Show what would be done without doing it."},
    {.name = "forget", .help = "Abandon an operation that was set aside."},
    {0},
};

static const mlx_option_t verify_options[] = {
    {.name = "full", .help = "Read every byte, even of files that have not changed."},
    {.name = "repair",
     .help = "Set damaged files aside and restore them, from this machine or from their source."},
    {0},
};

static const mlx_option_t fits_options[] = {
    {.name = "context", .value = "N", .help = "Tokens of context (default 4096)."},
    {.name = "slots", .value = "N", .help = "Conversations at a time (default 1)."},
    {.name = "cache-type",
     .value = "TYPE",
     .help = "Of the KV cache: f16 (default), q8_0, q4_0..."},
    {0},
};

static const mlx_args_command_t commands[] = {
    {.name = "status",
     .summary = "Show the models, their sizes and which apps use them",
     .run = cli_status},
    {.name = "stats", .summary = "Show disk use and what sharing saves", .run = cli_stats},
    {.name = "add",
     .operands = "<model>...",
     .min = 1,
     .max = -1,
     .summary = "Add models to the cache",
     .about =
         "A model is a repository on the hub (org/name, org/name:QUANT, org/name@revision, "
         "hf.co/org/name, hf://org/name, or the URL of its page), a model in an Ollama or OCI "
         "registry (name:tag, oci://host/name:tag), or a file "
         "or folder on this machine (./folder).\n\n"
         "Bytes that an app here already has are shared rather than downloaded. Downloads resume "
         "where an earlier attempt stopped and are verified before anything can see them. "
         "HF_TOKEN and HF_ENDPOINT work as in the hub's own tools; a private model in an Ollama "
         "registry is pulled with the key in ~/.ollama.\n\n"
         "A model whose files could run code when an app loads them (pickles that import more than "
         "tensors need, Python modules of its own, chat templates that leave their sandbox, "
         "machine code) is refused unless --trust is given; nothing of it is executed to find "
         "out.",
     .options = add_options,
     .complete = "file",
     .run = CLI_WORKER(cli_add)},
    {.name = "adopt",
     .operands = "[<app> [<model>]]",
     .max = 2,
     .summary = "Add the models of one app, or of all apps, to the cache",
     .about = "The app keeps its files as they are; the cache gets a second name for them.",
     .options = adopt_options,
     .complete = "app",
     .run = CLI_WORKER(cli_adopt)},
    {.name = "link",
     .operands = "<app> [<model>...]",
     .min = 1,
     .max = -1,
     .summary = "Make cached models appear in an app, without a second copy",
     .about = "Without a model, links every cached model that the app can use and does not have, "
              "and says why the others were left out.",
     .options = link_options,
     .complete = "app",
     .run = CLI_WORKER(cli_link)},
    {.name = "unlink",
     .operands = "<app> <model>...",
     .min = 2,
     .max = -1,
     .summary = "Remove linked models from an app",
     .about = "Given a folder of the app instead of a model, forgets everything that was linked "
              "there: for a volume that is gone for good. As long as a volume is merely not "
              "mounted, its models count as offline, and clean and remove keep what they use.",
     .options = change_options,
     .complete = "app",
     .run = CLI_WORKER(cli_unlink)},
    {.name = "push",
     .operands = "<model> oci://<host>/<name>[:<tag>]",
     .min = 2,
     .max = 2,
     .summary = "Share a model through an OCI registry",
     .about = "Credentials come from docker login, or from MLX_OCI_USERNAME and MLX_OCI_PASSWORD, "
              "which go to the registry in MLX_OCI_REGISTRY only. A registry gets them when it "
              "asks for them, over https on its own domain or at the origin in MLX_OCI_REALM. On "
              "another machine, run mlx-cache add oci://... Registries in cache.mirrors are "
              "tried, by digest, before the hub. A tag that holds what mlx-cache did not push is "
              "kept, and "
              "so are signatures.",
     .options = change_options,
     .complete = "model",
     .run = CLI_WORKER(cli_push)},
    {.name = "fits",
     .operands = "<model>",
     .min = 1,
     .max = 1,
     .summary = "Tell whether a model would fit in memory, before a download or a load",
     .about =
         "Only the header of a model that is not here is fetched. Weights, KV cache, recurrent "
         "state and buffers are those of llama.cpp with flash attention; what is free is "
         "measured now. Exits with 1 when the model does not fit.",
     .options = fits_options,
     .complete = "model",
     .run = CLI_WORKER(cli_fits)},
    {.name = "pick",
     .summary = "Choose models in a list on the terminal, see why they are there, remove them",
     .about =
         "The same as mlx-cache without a command on a terminal. Space marks, d removes what is "
         "marked after a question, / filters by name, q quits.",
     .run = CLI_WORKER(cli_pick)},
    {.name = "dedup",
     .summary = "Make identical files share one copy",
     .about =
         "Only shows what would be shared unless --yes is given, even when the output is not a "
         "terminal. Both files are hashed in full just before they are exchanged, the exchange is "
         "atomic, and undo gives each app a file of its own again.",
     .options = dedup_options,
     .run = CLI_WORKER(cli_dedup)},
    {.name = "remove",
     .operands = "<model>...",
     .min = 1,
     .max = -1,
     .summary = "Remove models, and free what no app needs",
     .about = "Takes effect immediately, since you name the models; undo brings them back.",
     .options = change_options,
     .complete = "model",
     .run = CLI_WORKER(cli_remove)},
    {.name = "clean",
     .summary = "Remove models that no app uses and files that no model needs",
     .about = "Only shows what would be removed unless --yes is given, even when the output is not "
              "a terminal. Abandoned downloads, including their finished files, are removed after "
              "7 days, or after --older-than. undo brings the models back.",
     .options = clean_options,
     .run = CLI_WORKER(cli_clean)},
    {.name = "undo",
     .operands = "[<operation>]",
     .max = 1,
     .summary = "Undo the last link, dedup, remove or clean",
     .about =
         "Linked files are removed from the app; shared files become separate files again. "
         "Models that remove or clean freed come back at the commit they had: what any app here "
         "still has is shared again and the rest is downloaded from its source; --dry-run shows "
         "how much. An operation that cannot be completed, because a disk is read-only or not "
         "mounted, is set aside and does not block others; doctor lists it, every command that "
         "changes something retries it, and --forget with its number abandons it.",
     .options = undo_options,
     .run = CLI_WORKER(cli_undo)},
    {.name = "verify",
     .operands = "[<model>]",
     .max = 1,
     .summary = "Check the files of the cache against their SHA-256",
     .options = verify_options,
     .complete = "model",
     .run = CLI_WORKER(cli_verify)},
    {.name = "doctor",
     .summary = "Look for problems and explain how to fix them",
     .run = CLI_WORKER(cli_doctor)},
    {.name = "config",
     .summary = "Show the settings of the cache and where each comes from",
     .run = CLI_WORKER(cli_show_config)},
    {.name = "apps",
     .summary = "Show the apps and where they keep their models",
     .run = CLI_WORKER(cli_apps)},
    {0},
};

static const mlx_example_t examples[] = {
    {"mlx-cache status", "What there is, who uses it, and what sharing saves."},
    {"mlx-cache add mlx-community/Qwen2.5-Coder-7B-4bit", "Download once, for every app."},
    {"mlx-cache add hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M", "One quantisation."},
    {"mlx-cache fits org/name --context 8192", "Does it fit in memory? Before the download."},
    {"mlx-cache link ollama org/name", "Let Ollama use it without a second copy."},
    {"mlx-cache dedup", "Show what is stored twice; with --yes, share it."},
    {"mlx-cache clean", "Show what nothing uses; with --yes, remove it."},
    {"mlx-cache undo", "Undo the last change."},
    {"mlx-cache verify --full", "Hash every byte again."},
    {0},
};

static const mlx_program_t program = {
    .self = {.name = "mlx-cache",
             .summary = "one verified copy of every model, shared by every app",
             .options = common_options},
    .commands = commands,
    .examples = examples,
    .see_also = "mlxctl(1)",
    .names = cli_names,
    .fail = cli_fail_as,
};

/*  On a terminal the bare name of the program is the list; elsewhere it prints the commands. */
static bool is_bare(int argc)
{
    const char *term = getenv("TERM");
    return argc == 1 && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && term && *term &&
           strcmp(term, "dumb") != 0;
}

int main(int argc, char **argv)
{
    static char pick[] = "pick";
    char *listed[] = {argv[0], pick, NULL};
    if (is_bare(argc))
        return mlx_args_main(&program, 2, listed, listed);
    return mlx_args_main(&program, argc, argv, argv);
}
