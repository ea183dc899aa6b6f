/*  mlx-ollama-double - plays an Ollama server (or a llama-server, a vLLM, any OpenAI server) from
 *  recorded replies: for the tests, and for `deploy/up --demo`. It is not an Ollama and runs no
 *  model.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/double/app.h"
#include "tests/double/autoplay.h"
#include "tests/double/runner_main.h"

static const char PROGRAM[] = "mlx-ollama-double";

static const char USAGE[] =
    "usage: mlx-ollama-double [OPTION]...\n"
    "Play an Ollama server from recorded replies. Prints `listening 127.0.0.1:PORT`.\n"
    "\n"
    "  --as ROLE            ollama (default), llama-server, vllm or openai\n"
    "  --port PORT          0, the default: any\n"
    "  --model NAME         serve this model; repeatable; default: the two recorded ones\n"
    "  --rate N             tokens per second of each generation (50)\n"
    "  --prompt-rate N      prompt tokens per second (2000)\n"
    "  --tokens N           length of a reply when the request gives none (128)\n"
    "  --parallel N         generations of one model at a time, 1 to 8; others wait (1)\n"
    "  --noise              uneven gaps between tokens\n"
    "  --multi N            two tokens in one piece after every N-1 single ones\n"
    "  --load-ms MS         time that loading a model takes (50)\n"
    "  --sleep-idle S       llama-server: fall asleep after S seconds without use; 0: never (0)\n"
    "  --keep-alive S       seconds a model stays loaded; negative: for ever (300)\n"
    "  --context N          context length in tokens (2048)\n"
    "  --vram RATIO         share of a loaded model said to be in GPU memory (0)\n"
    "  --models-dir DIR     where the weights are said to lie (/opt/ol/models)\n"
    "  --runner             look like `ollama serve` with a `llama-server` child per loaded model\n"
    "  --metrics            llama-server, also the child: serve /metrics\n"
    "  --no-props           llama-server: /props is refused\n"
    "  --fault NAME         do this wrong with every request (see tests/double/fault.h);\n"
    "                       at run time: POST /double/fault {\"name\":NAME,\"count\":N}\n"
    "  --autoplay           be one's own client: busy 20 s, idle 8 s, over and over\n"
    "  --through PORT       let those clients come by way of this port when it listens\n"
    "\n"
    "GET /double/stats tells requests, bytes, generations and clients that left early.\n";

typedef struct {
    mlx_app_options_t app;
    const mlx_role_t *role;
    int port;
    int through;
    bool autoplay;
    const char *fault;
    const char *models[MLX_APP_MAX_MODELS];
    size_t model_count;
} options_t;

enum {
    OPT_FIRST = 256,
    OPT_AS,
    OPT_PORT,
    OPT_MODEL,
    OPT_RATE,
    OPT_PROMPT_RATE,
    OPT_TOKENS,
    OPT_PARALLEL,
    OPT_NOISE,
    OPT_MULTI,
    OPT_LOAD,
    OPT_SLEEP,
    OPT_KEEP,
    OPT_CONTEXT,
    OPT_VRAM,
    OPT_DIR,
    OPT_RUNNER,
    OPT_METRICS,
    OPT_NO_PROPS,
    OPT_FAULT,
    OPT_AUTOPLAY,
    OPT_THROUGH,
    OPT_HELP,
    OPT_LAST
};

static const struct option LONG[] = {
    {"as", required_argument, NULL, OPT_AS},
    {"port", required_argument, NULL, OPT_PORT},
    {"model", required_argument, NULL, OPT_MODEL},
    {"rate", required_argument, NULL, OPT_RATE},
    {"prompt-rate", required_argument, NULL, OPT_PROMPT_RATE},
    {"tokens", required_argument, NULL, OPT_TOKENS},
    {"parallel", required_argument, NULL, OPT_PARALLEL},
    {"noise", no_argument, NULL, OPT_NOISE},
    {"multi", required_argument, NULL, OPT_MULTI},
    {"load-ms", required_argument, NULL, OPT_LOAD},
    {"sleep-idle", required_argument, NULL, OPT_SLEEP},
    {"keep-alive", required_argument, NULL, OPT_KEEP},
    {"context", required_argument, NULL, OPT_CONTEXT},
    {"vram", required_argument, NULL, OPT_VRAM},
    {"models-dir", required_argument, NULL, OPT_DIR},
    {"runner", no_argument, NULL, OPT_RUNNER},
    {"no-props", no_argument, NULL, OPT_NO_PROPS},
    {"metrics", no_argument, NULL, OPT_METRICS},
    {"fault", required_argument, NULL, OPT_FAULT},
    {"autoplay", no_argument, NULL, OPT_AUTOPLAY},
    {"through", required_argument, NULL, OPT_THROUGH},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

/*  Numeric options: what they allow, and where they go by code in set_number. */
static const struct {
    int code;
    double min;
    double max;
} LIMITS[] = {
    {OPT_PORT, 0, 65535},
    {OPT_RATE, 0.01, 1e7},
    {OPT_PROMPT_RATE, 0.01, 1e9},
    {OPT_TOKENS, 0, 1e6},
    {OPT_PARALLEL, 1, MLX_VIEW_SLOTS},
    {OPT_MULTI, 1, 1e6},
    {OPT_LOAD, 0, 1e6},
    {OPT_SLEEP, 0, 1e6},
    {OPT_KEEP, -1, 1e9},
    {OPT_CONTEXT, 64, 1e7},
    {OPT_VRAM, 0, 1},
    {OPT_THROUGH, 0, 65535},
};

static int read_number(int code, const char *text, double *number)
{
    char *end = NULL;
    *number = strtod(text, &end);
    if (end == text || *end)
        return -1;
    for (size_t i = 0; i < MLX_COUNT(LIMITS); i++) {
        if (LIMITS[i].code == code)
            return *number >= LIMITS[i].min && *number <= LIMITS[i].max ? 0 : -1;
    }
    return -1;
}

static void set_number(options_t *options, int code, double number)
{
    mlx_app_options_t *app = &options->app;
    switch (code) {
    case OPT_PORT:
        options->port = (int)number;
        break;
    case OPT_THROUGH:
        options->through = (int)number;
        break;
    case OPT_RATE:
        app->rate = number;
        break;
    case OPT_PROMPT_RATE:
        app->prompt_rate = number;
        break;
    case OPT_TOKENS:
        app->tokens = (int64_t)number;
        break;
    case OPT_PARALLEL:
        app->parallel = (int)number;
        break;
    case OPT_MULTI:
        app->multi = (int64_t)number;
        break;
    case OPT_LOAD:
        app->load_ns = (int64_t)(number * 1e6);
        break;
    case OPT_SLEEP:
        app->sleep_ns = (int64_t)(number * 1e9);
        break;
    case OPT_KEEP:
        app->keep_ns = number < 0 ? -1 : (int64_t)(number * 1e9);
        break;
    case OPT_CONTEXT:
        app->context = (int64_t)number;
        break;
    default:
        app->vram = number;
        break;
    }
}

/*  0: taken. -1: not, and said why. */
static int set_text(options_t *options, int code, const char *text)
{
    switch (code) {
    case OPT_AS:
        options->role = mlx_role_find(text);
        return options->role ? 0 : -1;
    case OPT_MODEL:
        if (options->model_count == MLX_APP_MAX_MODELS || !*text || strlen(text) > 100)
            return -1;
        options->models[options->model_count++] = text;
        return 0;
    case OPT_DIR:
        options->app.models_dir = text;
        return 0;
    case OPT_FAULT:
        options->fault = text;
        return 0;
    default:
        return -1;
    }
}

static bool set_flag(options_t *options, int code)
{
    bool *const flags[] = {[OPT_NOISE - OPT_FIRST] = &options->app.noise,
                           [OPT_RUNNER - OPT_FIRST] = &options->app.runner,
                           [OPT_METRICS - OPT_FIRST] = &options->app.metrics,
                           [OPT_NO_PROPS - OPT_FIRST] = &options->app.no_props,
                           [OPT_AUTOPLAY - OPT_FIRST] = &options->autoplay,
                           [OPT_LAST - OPT_FIRST] = NULL};
    bool *flag = code > OPT_FIRST && code < OPT_LAST ? flags[code - OPT_FIRST] : NULL;
    if (flag)
        *flag = true;
    return flag != NULL;
}

/*  -1: go on; else the exit status. */
static int read_options(options_t *options, int argc, char **argv)
{
    int code;
    double number;
    while ((code = getopt_long(argc, argv, "", LONG, NULL)) != -1) {
        if (code == '?')
            return MLX_ERR_USAGE;
        if (code == OPT_HELP) {
            fputs(USAGE, stdout);
            return MLX_OK;
        }
        if (set_flag(options, code) || set_text(options, code, optarg) == 0)
            continue;
        if (read_number(code, optarg, &number)) {
            fprintf(stderr, "%s: '%s' is not allowed here; see --help\n", PROGRAM, optarg);
            return MLX_ERR_USAGE;
        }
        set_number(options, code, number);
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected argument '%s'; see --help\n", PROGRAM, argv[optind]);
        return MLX_ERR_USAGE;
    }
    return -1;
}

/*  Signals arrive as bytes in a pipe, so that the loop can wait for them. */
static int signal_pipe[2];

static void on_signal(int number)
{
    char byte = (char)number;
    if (write(signal_pipe[1], &byte, 1) < 0)
        _exit(1);
}

static void on_signal_byte(void *arg, int fd)
{
    mlx_app_t *app = arg;
    char byte = 0;
    pid_t pid;
    if (read(fd, &byte, 1) == 1 && byte != (char)SIGCHLD)
        mlx_net_stop(app->net);
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        mlx_app_child_ended(app, pid);
}

static void catch_signals(mlx_app_t *app)
{
    if (pipe(signal_pipe))
        mlx_panic("cannot create a pipe: %s", strerror(errno));
    fcntl(signal_pipe[0], F_SETFD, FD_CLOEXEC);
    fcntl(signal_pipe[1], F_SETFD, FD_CLOEXEC);
    mlx_net_watch(app->net, signal_pipe[0], on_signal_byte, app);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
}

static int start_fault(mlx_app_t *app, const char *name, mlx_error_t *err)
{
    if (!name)
        return 0;
    if (mlx_fault_parse(&app->fault, name, -1, err))
        return -1;
    if (app->fault.kind == MLX_FAULT_REFUSE)
        mlx_net_refuse(app->net);
    return 0;
}

static mlx_autoplay_t *start_autoplay(const options_t *options, const mlx_app_t *app, int port,
                                      mlx_error_t *err)
{
    const char *names[MLX_APP_MAX_MODELS];
    for (size_t i = 0; i < app->model_count; i++)
        names[i] = app->models[i]->name;
    return mlx_autoplay_new(port, options->through, names, app->model_count, app->options.rate,
                            err);
}

static int serve(mlx_app_t *app, const options_t *options, mlx_error_t *err)
{
    mlx_autoplay_t *autoplay = NULL;
    int port = mlx_net_listen(app->net, options->port, err);
    if (port < 0 || start_fault(app, options->fault, err))
        return -1;
    if (options->autoplay && !(autoplay = start_autoplay(options, app, port, err)))
        return -1;
    catch_signals(app);
    printf("listening 127.0.0.1:%d\n", port);
    fflush(stdout);
    mlx_net_run(app->net);
    mlx_autoplay_destroy(&autoplay);
    return 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int main(int argc, char **argv)
{
    options_t options = {.role = &mlx_role_ollama,
                         .app = {.rate = 50,
                                 .prompt_rate = 2000,
                                 .load_ns = 50000000,
                                 .tokens = 128,
                                 .parallel = 1,
                                 .keep_ns = 300 * 1000000000LL,
                                 .context = 2048,
                                 .models_dir = "/opt/ol/models"}};
    mlx_error_t err = {0};
    const char *name = base_name(argv[0]);
    if (strcmp(name, "llama-server") == 0)
        return mlx_runner_main(argc, argv);
    bool renamed = strcmp(name, "ollama") == 0 && argc > 1 && strcmp(argv[1], "serve") == 0;
    if (renamed)
        mlx_runner_forget_link(argv[0]);
    int status = read_options(&options, argc - renamed, argv + renamed);
    if (status >= 0)
        return status;
    if (options.app.runner && !renamed && mlx_runner_become_ollama(argv, &err))
        return mlx_error_report(PROGRAM, &err);

    mlx_app_t *app = mlx_app_new(&options.app, options.role, options.models, options.model_count);
    if (options.role == &mlx_role_llama)
        mlx_model_load(app->models[0]);
    status = serve(app, &options, &err) ? mlx_error_report(PROGRAM, &err) : 0;
    mlx_app_destroy(&app);
    return status;
}
