#include "common/base/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __APPLE__
static const char home_config[] = "Library/Application Support/mlx/config.yaml";
static const char home_state[] = "Library/Application Support/mlx";
#else
static const char home_config[] = ".config/mlx/config.yaml";
static const char home_state[] = ".local/state/mlx";
#endif

/*  A directory named by variable NAME, with SUFFIX behind it. 0 with *PATH NULL: not set. */
static int from_variable(const mlx_env_t *env, const char *name, const char *suffix, char **path,
                         mlx_error_t *err)
{
    const char *value = mlx_env_get(env, name);
    *path = NULL;
    if (!value)
        return 0;
    if (value[0] != '/') {
        mlx_error_set(err, MLX_ERR_USAGE, "%s is \"%s\", which is not an absolute path", name,
                      value);
        return mlx_error_hint(err, "set %s to a path that starts with /", name);
    }
    *path = mlx_format("%s%s", value, suffix);
    return 0;
}

static char *home_of_user(void)
{
    char buffer[16384];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) != 0 || !found ||
        found->pw_dir[0] != '/')
        return NULL;
    return mlx_strdup(found->pw_dir);
}

static char *in_home(const mlx_env_t *env, const char *rest, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *home = NULL;
    if (from_variable(env, "HOME", "", &home, err))
        return NULL;
    if (!home)
        home = home_of_user();
    if (!home) {
        mlx_error_set(err, MLX_ERR_FAILED, "cannot determine the home directory");
        mlx_error_hint(err, "set HOME");
        return NULL;
    }
    return rest[0] ? mlx_format("%s/%s", home, rest) : mlx_strdup(home);
}

/*  The first variable that is set, else REST in the home directory. */
static char *resolve(const mlx_env_t *env, const char *own, const char *xdg, const char *suffix,
                     const char *rest, mlx_error_t *err)
{
    char *path;
    if (from_variable(env, own, "", &path, err))
        return NULL;
    if (path)
        return path;
    if (xdg && from_variable(env, xdg, suffix, &path, err))
        return NULL;
    return path ? path : in_home(env, rest, err);
}

static int make_directory(const char *path, mlx_error_t *err)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return 0;
    return mlx_error_set(err, MLX_ERR_FAILED, "cannot create the directory %s: %s", path,
                         strerror(errno));
}

static int make_parents(const char *path, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *part = mlx_strdup(path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        struct stat st;
        /* Looking first: mkdir of an existing parent may say EROFS or EACCES instead. */
        if (stat(part, &st) != 0 && make_directory(part, err))
            return -1;
        *slash = '/';
    }
    return 0;
}

static int check_private(int fd, const char *path, mlx_error_t *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "cannot examine %s: %s", path, strerror(errno));
    if (st.st_uid != geteuid()) {
        mlx_error_set(err, MLX_ERR_FAILED, "%s belongs to user %u, not to you", path,
                      (unsigned)st.st_uid);
        return mlx_error_hint(err, "remove it or choose another directory");
    }
    if ((st.st_mode & 0777) != 0700 && fchmod(fd, 0700) != 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "cannot make %s private: %s", path,
                             strerror(errno));
    return 0;
}

int mlx_paths_make_private(const char *path, mlx_error_t *err)
{
    if (make_parents(path, err) || make_directory(path, err))
        return -1;
    /* Checks and chmod go through one descriptor, so that nobody can swap the directory between. */
    MLX_CLEANUP(mlx_close_p) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR)) {
        mlx_error_set(err, MLX_ERR_FAILED, "%s is not a directory", path);
        return mlx_error_hint(err, "remove the file or link at that path");
    }
    if (fd < 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "cannot open %s: %s", path, strerror(errno));
    return check_private(fd, path, err);
}

static char *made(char *path, mlx_error_t *err)
{
    if (path && mlx_paths_make_private(path, err)) {
        free(path);
        return NULL;
    }
    return path;
}

char *mlx_paths_run_dir(const mlx_env_t *env, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *own = mlx_format("/mlx-%u", (unsigned)geteuid());
    const struct {
        const char *variable, *suffix;
    } places[] = {{"MLX_RUNTIME_DIR", ""}, {"XDG_RUNTIME_DIR", "/mlx"}, {"TMPDIR", own}};
    for (size_t i = 0; i < MLX_COUNT(places); i++) {
        char *path;
        if (from_variable(env, places[i].variable, places[i].suffix, &path, err))
            return NULL;
        if (path)
            return made(path, err);
    }
    return made(mlx_format("/tmp%s", own), err);
}

char *mlx_paths_config_file(const mlx_env_t *env, mlx_error_t *err)
{
    return resolve(env, "MLX_CONFIG", "XDG_CONFIG_HOME", "/mlx/config.yaml", home_config, err);
}

char *mlx_paths_state_dir(const mlx_env_t *env, mlx_error_t *err)
{
    return made(resolve(env, "MLX_STATE_DIR", "XDG_STATE_HOME", "/mlx", home_state, err), err);
}

char *mlx_paths_cache_dir(const mlx_env_t *env, mlx_error_t *err)
{
    return resolve(env, "MLX_CACHE_DIR", NULL, "", ".mlx-cache", err);
}

char *mlx_paths_expand(const mlx_env_t *env, const char *path, mlx_error_t *err)
{
    if (path[0] != '~' || (path[1] && path[1] != '/'))
        return mlx_strdup(path);
    return in_home(env, path + (path[1] ? 2 : 1), err);
}
