#include "tests/double/runner_main.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/double/app.h"

/*  The newest view counts; the end of the pipe is the parent's end. */
static void on_view(void *arg, int fd)
{
    mlx_app_t *app = arg;
    mlx_view_t view;
    ssize_t got = read(fd, &view, sizeof(view));
    if (got == (ssize_t)sizeof(view))
        app->models[0]->view = view;
    else
        mlx_net_stop(app->net);
}

int mlx_runner_main(int argc, char **argv)
{
    mlx_app_options_t options = {.parallel = 1, .context = 2048};
    const char *path = "";
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--model") == 0)
            path = value;
        else if (strcmp(argv[i], "-c") == 0)
            options.context = strtoll(value, NULL, 10);
        else if (strcmp(argv[i], "-np") == 0)
            options.parallel = (int)strtol(value, NULL, 10);
        else if (strcmp(argv[i], "--metrics") == 0)
            options.metrics = true;
    }
    signal(SIGPIPE, SIG_IGN);
    const char *name = "runner";
    mlx_app_t *app = mlx_app_new(&options, &mlx_role_llama, &name, 1);
    app->model_path = path;
    app->models[0]->state = MLX_MODEL_LOADED;
    mlx_net_adopt(app->net, MLX_RUNNER_LISTEN_FD);
    mlx_net_watch(app->net, MLX_RUNNER_VIEW_FD, on_view, app);
    mlx_net_run(app->net);
    mlx_app_destroy(&app);
    return 0;
}
