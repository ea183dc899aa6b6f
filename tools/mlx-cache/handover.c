/*  The program that people type knows all commands, and answers status from what the registry
 *  keeps. All else is the work of the program in libexec that is linked against SHA-256, HTTP and
 *  the bus: loading those libraries takes longer than a status. */
#include "cli.h"

#include "common/os/os.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/*  From the folder of the program; CMakeLists.txt puts it there, in the build as in an
 *  installation. */
static const char worker[] = "../libexec/mlx/mlx-cache-worker";

static int become(char **argv)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_free_p) char *self = mlx_os_executable(&err);
    if (!self)
        return mlx_error_report("mlx-cache", &err);
    *strrchr(self, '/') = '\0';
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", self, worker);
    execv(path, argv);
    mlx_error_set(&err, MLX_ERR_FAILED, "cannot start %s: %s", path, strerror(errno));
    mlx_error_hint(&err, "reinstall the suite");
    return mlx_error_report("mlx-cache", &err);
}

int cli_hand_over(void *arg, const mlx_args_t *args)
{
    (void)args;
    return become(arg);
}

static int show_kept(void *arg, const mlx_args_t *args,
                     void (*view)(const mlx_value_t *report, mlx_buf_t *out))
{
    mlx_error_t err = {0};
    const mlx_env_t env = {.get = cli_variable};
    MLX_CLEANUP(mlx_free_p) char *home = cli_home(args, &err);
    mlx_value_t *kept = home ? mlx_cache_kept_status(home, &env) : NULL;
    return kept ? cli_finish(args, kept, &err, view) : become(arg);
}

int cli_status(void *arg, const mlx_args_t *args)
{
    return show_kept(arg, args, cli_view_status);
}

int cli_stats(void *arg, const mlx_args_t *args)
{
    return show_kept(arg, args, cli_view_stats);
}

void cli_names(const char *kind, mlx_buf_t *out)
{
    (void)out;
    MLX_CLEANUP(mlx_free_p) char *names = mlx_format("--generate=names:%s", kind);
    char name[] = "mlx-cache";
    become((char *[]){name, names, NULL});
}
