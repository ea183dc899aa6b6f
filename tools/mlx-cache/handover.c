/*  The program that people type knows all commands and looks by itself. What changes something is
 *  the work of the program in libexec that is linked against HTTP and the bus: loading those
 *  libraries takes longer than a status. */
#include "cli.h"

#include "common/os/os.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/*  From the folder of the program; CMakeLists.txt puts it there, in the build as in an
 *  installation. */
static const char worker[] = "../libexec/mlx/mlx-cache-worker";

int cli_hand_over(void *arg, const mlx_args_t *args)
{
    char **argv = arg;
    mlx_error_t err = {0};
    (void)args;
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
