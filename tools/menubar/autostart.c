#include "autostart.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "places.h"
#include "proto/buf.h"

#define NAME "autostart/mlx-menubar.desktop"
#define SYSTEM "/etc/xdg/" NAME

enum {
    FILE_MAX = 65536
};

/*  "$XDG_CONFIG_HOME/autostart/mlx-menubar.desktop"; NULL: there is no home. */
static char *user_file(const mlx_env_t *env)
{
    const char *config = mlx_env_get(env, "XDG_CONFIG_HOME"), *home = mlx_env_get(env, "HOME");
    if (config && *config == '/')
        return mlx_format("%s/" NAME, config);
    return home && *home == '/' ? mlx_format("%s/.config/" NAME, home) : NULL;
}

bool mlx_autostart(const mlx_env_t *env)
{
    MLX_CLEANUP(mlx_free_p) char *path = user_file(env);
    MLX_CLEANUP(mlx_free_p) char *text = path ? mlx_file_read(path, FILE_MAX, NULL, NULL) : NULL;
    if (!text)
        return access(SYSTEM, R_OK) == 0;
    return !strstr(text, "\nHidden=true");
}

/*  TEXT for the key Exec: quoted, and quoted again as any string of such a file. */
static void put_quoted(mlx_buf_t *out, const char *text)
{
    mlx_buf_putc(out, '"');
    for (; *text; text++) {
        if (*text == '\\')
            mlx_buf_puts(out, "\\\\\\\\");
        else if (strchr("\"`$", *text))
            mlx_buf_printf(out, "\\\\%c", *text);
        else if (*text == '%')
            mlx_buf_puts(out, "%%");
        else
            mlx_buf_putc(out, *text);
    }
    mlx_buf_putc(out, '"');
}

static char *entry(const char *program, bool on)
{
    mlx_buf_t text = {0};
    mlx_buf_puts(&text, "[Desktop Entry]\nType=Application\nName=MLXDash\nExec=");
    put_quoted(&text, program);
    mlx_buf_printf(&text, " --format tray\nTerminal=false\n%s", on ? "" : "Hidden=true\n");
    return mlx_buf_take(&text);
}

int mlx_autostart_set(const mlx_env_t *env, const char *program, bool on, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *path = user_file(env);
    if (!path || !program || strpbrk(program, "\n\r"))
        return mlx_error_set(err, MLX_ERR_FAILED, "no place to start the tray from");
    if (!on && access(SYSTEM, R_OK)) {
        if (unlink(path) && errno != ENOENT)
            return mlx_error_set(err, MLX_ERR_FAILED, "cannot remove %s: %s", path,
                                 strerror(errno));
        return 0;
    }
    MLX_CLEANUP(mlx_free_p) char *text = entry(program, on);
    return mlx_write_new(path, text, O_TRUNC, err);
}
