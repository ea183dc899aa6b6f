#include "common/agent/token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/paths.h"
#include "common/base/random.h"

enum {
    DIGITS = 64
};

/*  Written beside its place and linked there: whoever comes second finds the whole of the first. */
static int store(const char *path, mlx_error_t *err)
{
    char digits[DIGITS + 1];
    MLX_CLEANUP(mlx_free_p) char *beside = mlx_format("%s.%ld", path, (long)getpid());
    unlink(beside);
    MLX_CLEANUP(mlx_close_p)
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    mlx_random_hex(digits, DIGITS);
    bool whole = fd >= 0 && write(fd, digits, DIGITS) == DIGITS &&
                 (link(beside, path) == 0 || errno == EEXIST);
    int why = errno;
    unlink(beside);
    if (whole)
        return 0;
    return mlx_error_set(err, MLX_ERR_FAILED, "cannot write %s: %s", path, strerror(why));
}

char *mlx_mcp_token(const mlx_env_t *env, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *directory = mlx_paths_state_dir(env, err);
    MLX_CLEANUP(mlx_free_p)
    char *path = directory ? mlx_format("%s/mcp.token", directory) : NULL;
    size_t len = 0;
    if (!path || (access(path, F_OK) != 0 && store(path, err)))
        return NULL;
    char *token = mlx_file_read(path, DIGITS + 1, &len, err);
    if (token)
        token[strcspn(token, "\n")] = '\0';
    if (token && (strlen(token) != DIGITS || strspn(token, "0123456789abcdef") != DIGITS)) {
        mlx_error_set(err, MLX_ERR_USAGE, "%s does not hold a token", path);
        mlx_error_hint(err, "delete it; a new one will be created");
        mlx_free_p(&token);
    }
    return token;
}

bool mlx_mcp_token_shown(const char *token, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    if (!authorization || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *shown = authorization + sizeof scheme - 1;
    size_t len = strlen(token);
    unsigned differs = 0;
    if (strlen(shown) != len)
        return false;
    for (size_t i = 0; i < len; i++)
        differs |= (unsigned char)(token[i] ^ shown[i]);
    return differs == 0;
}
