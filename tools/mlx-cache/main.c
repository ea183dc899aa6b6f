/*  mlx-cache: one verified copy of every model, shared by every app. The table below is its help,
 *  man page and completion. */
#include "cli.h"

static const mlx_option_t common_options[] = {
    {.name = "json", .help = "Print JSON, with a stable schema."},
    {.name = "dir",
     .value = "DIR",
     .help = "Use the cache in DIR instead of ~/.mlx-cache.",
     .complete = "dir"},
    {0},
};

static const mlx_option_t change_options[] = {
    {.name = "dry-run", .letter = 'n', .help = "Say what would be done; change nothing."},
    {0},
};

static const mlx_option_t add_options[] = {
    {.name = "as", .value = "NAME", .help = "Call the model NAME."},
    {.name = "revision", .value = "REV", .help = "Branch, tag or commit at the hub (main)."},
    {.name = "include",
     .value = "PATTERN",
     .help = "Take the files of the repository that match; may be given again."},
    {.name = "exclude", .value = "PATTERN", .help = "Leave those out; may be given again."},
    {.name = "streams", .value = "N", .help = "Files downloaded at once, 1 to 16 (4)."},
    {.name = "copy", .help = "Allow a second copy where bytes cannot be shared."},
    {.name = "dry-run", .letter = 'n', .help = "Say what would be done; change nothing."},
    {0},
};

static const mlx_option_t adopt_options[] = {
    {.name = "copy", .help = "Allow a second copy where bytes cannot be shared."},
    {.name = "dry-run", .letter = 'n', .help = "Say what would be done; change nothing."},
    {0},
};

static const mlx_option_t link_options[] = {
    {.name = "as", .value = "NAME", .help = "Name of the model for the app."},
    {.name = "store",
     .value = "DIR",
     .help = "Folder of the app's models, instead of its usual one.",
     .complete = "dir"},
    {.name = "copy", .help = "Allow a second copy where bytes cannot be shared."},
    {.name = "dry-run", .letter = 'n', .help = "Say what would be done; change nothing."},
    {0},
};

static const mlx_option_t clean_options[] = {
    {.name = "older-than", .value = "DAYS", .help = "Unused for at least DAYS days (30)."},
    {.name = "yes", .letter = 'y', .help = "Do it; without this the plan is shown."},
    {.name = "apply", .help = "The same as --yes."},
    {.name = "dry-run", .letter = 'n', .help = "Show the plan (the default)."},
    {0},
};

static const mlx_option_t dedup_options[] = {
    {.name = "yes", .letter = 'y', .help = "Do it; without this the plan is shown."},
    {.name = "apply", .help = "The same as --yes."},
    {.name = "dry-run", .letter = 'n', .help = "Show the plan (the default)."},
    {0},
};

static const mlx_option_t undo_options[] = {
    {.name = "dry-run", .letter = 'n', .help = "Say what would be done; change nothing."},
    {.name = "forget", .help = "Let an operation that is set aside go as it is."},
    {0},
};

static const mlx_option_t verify_options[] = {
    {.name = "full", .help = "Read every byte, also of files that did not change."},
    {.name = "repair",
     .help = "Set damaged files aside and get them again, from here or from where they came."},
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
     .summary = "Take models into the cache",
     .about =
         "A model is a repository of the hub (org/name, hf.co/org/name:QUANT, or its page), a "
         "model of an Ollama or OCI registry (name:tag, oci://host/name:tag), or a file or "
         "folder of this machine.\n\n"
         "Bytes that an app here has already are shared, not fetched. The rest is downloaded, "
         "goes on where an earlier try ended, and is verified before anything sees it. "
         "HF_TOKEN and HF_ENDPOINT are those of the hub's own tools; a private model of an Ollama "
         "registry is pulled with the key of ~/.ollama.",
     .options = add_options,
     .complete = "file",
     .run = cli_change},
    {.name = "adopt",
     .operands = "[<app> [<model>]]",
     .max = 2,
     .summary = "Take the models of an app, or of all apps, into the cache",
     .about = "The app keeps its files as they are; the cache gets a second name for them.",
     .options = adopt_options,
     .complete = "app",
     .run = cli_change},
    {.name = "link",
     .operands = "<app> [<model>...]",
     .min = 1,
     .max = -1,
     .summary = "Make models of the cache appear in an app, without a second copy",
     .about = "Without a model: all of the cache that the app can take and does not have; of the "
              "others it is said why "
              "not.",
     .options = link_options,
     .complete = "app",
     .run = cli_change},
    {.name = "unlink",
     .operands = "<app> <model>...",
     .min = 2,
     .max = -1,
     .summary = "Take models that were linked out of an app again",
     .about = "A folder of the app instead of a model: forget all that was linked there, when its "
              "volume is gone for good. Until then what lies on a volume that is not mounted is "
              "offline, and clean and remove keep what it uses.",
     .options = change_options,
     .complete = "app",
     .run = cli_change},
    {.name = "push",
     .operands = "<model> oci://<host>/<name>[:<tag>]",
     .min = 2,
     .max = 2,
     .summary = "Share a model through an OCI registry",
     .about = "Credentials are those of docker login, or MLX_OCI_USERNAME and MLX_OCI_PASSWORD. On "
              "another machine: mlx-cache add oci://... A registry under cache.mirrors is asked "
              "by digest before the hub.",
     .options = change_options,
     .complete = "model",
     .run = cli_change},
    {.name = "dedup",
     .summary = "Replace files of the same content by shares of one",
     .about =
         "What would be shared is shown; --yes does it, wherever the output goes. "
         "Both files are hashed in full right before, the exchange is one motion, and undo gives "
         "each app a file of its own again.",
     .options = dedup_options,
     .run = cli_change},
    {.name = "remove",
     .operands = "<model>...",
     .min = 1,
     .max = -1,
     .summary = "Forget models; free what no app needs",
     .about = "Done at once, since you name the models; undo brings them back.",
     .options = change_options,
     .complete = "model",
     .run = cli_change},
    {.name = "clean",
     .summary = "Remove models that no app uses and files that no model needs",
     .about = "What would be removed is shown; --yes removes it, wherever the output goes. "
              "Downloads that nobody went on with "
              "are removed after 7 days, with the files that came whole, or as --older-than says. "
              "undo brings the models back.",
     .options = clean_options,
     .run = cli_change},
    {.name = "undo",
     .operands = "[<operation>]",
     .max = 1,
     .summary = "Take the last link, dedup, remove or clean back",
     .about =
         "Files that were linked are taken out of the app, files that were shared become files "
         "of their own. Models that remove or clean freed come back at the commit they had: "
         "what any app here still has is shared again, the rest is fetched from where it came; "
         "--dry-run says what that would be. An operation that cannot be ended, because a disk is "
         "read-only or away, is set aside and stops nothing else; doctor names it, each command "
         "that "
         "changes something tries it again, and --forget with its number lets it go.",
     .options = undo_options,
     .run = cli_change},
    {.name = "verify",
     .operands = "[<model>]",
     .max = 1,
     .summary = "Check the files of the cache against their SHA-256",
     .options = verify_options,
     .complete = "model",
     .run = cli_change},
    {.name = "doctor",
     .summary = "Look for what is wrong, and say what to do about it",
     .run = cli_doctor},
    {.name = "config",
     .summary = "Show the settings of the cache and where each comes from",
     .run = cli_show_config},
    {.name = "apps", .summary = "Show the apps and where they keep their models", .run = cli_apps},
    {0},
};

static const mlx_program_t program = {
    .self = {.name = "mlx-cache",
             .summary = "one verified copy of every model, shared by every app",
             .options = common_options},
    .commands = commands,
    .see_also = "mlxctl(1)",
    .names = cli_names,
};

int main(int argc, char **argv)
{
    return mlx_args_main(&program, argc, argv, argv);
}
