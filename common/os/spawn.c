/*  Starting a program: the same on both systems. */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "common/os/os.h"

extern char **environ;

static void put_at(posix_spawn_file_actions_t *files, int end, int place)
{
    if (end < 0)
        posix_spawn_file_actions_addopen(files, place, "/dev/null", O_WRONLY, 0);
    else
        posix_spawn_file_actions_adddup2(files, end, place);
}

int mlx_os_spawn(pid_t *pid, const char *const *argv, int out, int err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE); /* the loop ignores it, and ignoring is inherited */
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    put_at(&files, out, STDOUT_FILENO);
    put_at(&files, err, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int rc = posix_spawnp(pid, argv[0], &files, &attributes, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}
