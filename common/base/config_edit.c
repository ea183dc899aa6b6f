#include "common/base/config_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/config.h"
#include "common/base/file.h"
#include "proto/buf.h"

enum {
    FILE_MAX = 1 << 20
};

/*  Lines. */

static size_t line_length(const char *line)
{
    size_t len = strcspn(line, "\n");
    return line[len] ? len + 1 : len;
}

static size_t indent_of(const char *line)
{
    return strspn(line, " ");
}

/*  Does LINE, without its indent, begin with the key NAME of LEN bytes? */
static bool has_key(const char *line, const char *name, size_t len)
{
    const char *at = line + indent_of(line);
    return strncmp(at, name, len) == 0 && at[len] == ':' && strchr(" \t\r\n", at[len + 1]);
}

static bool says_nothing(const char *line)
{
    const char *at = line + strspn(line, " \t\r");
    return *at == '\n' || *at == '#' || *at == '\0';
}

/*  The line of key NAME at the outermost level, or NULL. */
static const char *find_section(const char *text, const char *name, size_t len)
{
    for (const char *line = text; *line; line += line_length(line))
        if (indent_of(line) == 0 && has_key(line, name, len))
            return line;
    return NULL;
}

/*  The line of NAME in the block that follows the line SECTION, or NULL; *INDENT is that of the
 *  block's settings. */
static const char *find_setting(const char *section, const char *name, size_t *indent)
{
    *indent = 0;
    for (const char *line = section + line_length(section); *line; line += line_length(line)) {
        if (says_nothing(line))
            continue;
        if (indent_of(line) == 0)
            return NULL;
        if (*indent == 0)
            *indent = indent_of(line);
        if (indent_of(line) == *indent && has_key(line, name, strlen(name)))
            return line;
    }
    return NULL;
}

/*  LINE with another value; what is said behind it stays. */
static void put_changed(mlx_buf_t *out, const char *line, const char *value)
{
    size_t len = strcspn(line, "\n");
    const char *remark = strstr(line, " #"), *end = line + len;
    mlx_buf_printf(out, "%.*s: %s", (int)(strchr(line, ':') - line), line, value);
    if (remark && remark < end)
        mlx_buf_append(out, remark, (size_t)(end - remark));
    mlx_buf_putc(out, '\n');
}

static char *edited(const char *text, const char *key, const char *value)
{
    const char *name = strchr(key, '.') + 1;
    size_t section_len = (size_t)(name - 1 - key), indent;
    const char *section = find_section(text, key, section_len);
    const char *setting = section ? find_setting(section, name, &indent) : NULL;
    mlx_buf_t out = {0};
    if (setting) {
        mlx_buf_append(&out, text, (size_t)(setting - text));
        put_changed(&out, setting, value);
        mlx_buf_puts(&out, setting + line_length(setting));
        return mlx_buf_take(&out);
    }
    size_t before = section ? (size_t)(section - text) + line_length(section) : strlen(text);
    mlx_buf_append(&out, text, before);
    if (before && text[before - 1] != '\n')
        mlx_buf_putc(&out, '\n');
    if (!section)
        mlx_buf_printf(&out, "%.*s:\n", (int)section_len, key);
    mlx_buf_printf(&out, "%*s%s: %s\n", section && indent ? (int)indent : 2, "", name, value);
    mlx_buf_puts(&out, text + before);
    return mlx_buf_take(&out);
}

/*  Checks. */

/*  Is CONFIG's KEY the word VALUE, by the file? */
static bool has_value(const mlx_config_t *config, const char *key, const char *value)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_config_describe(config);
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const mlx_value_t *setting = mlx_value_at(list, i);
        const char *text = mlx_value_str(setting, "value");
        bool on = false, boolean = mlx_value_bool(setting, "value", &on);
        if (strcmp(mlx_value_str(setting, "key"), key) == 0)
            return strcmp(mlx_value_str(setting, "source"), "file") == 0 &&
                   strcmp(boolean ? (on ? "true" : "false")
                          : text  ? text
                                  : "",
                          value) == 0;
    }
    return false;
}

char *mlx_config_edited(const char *text, const char *key, const char *value, const char *name,
                        mlx_error_t *err)
{
    mlx_config_t *before = mlx_config_new(NULL), *after = mlx_config_new(NULL);
    char *fresh = NULL;
    mlx_error_t problem = {0};
    if (mlx_config_load_text(before, text, strlen(text), name, err) == 0) {
        fresh = edited(text, key, value);
        if (mlx_config_load_text(after, fresh, strlen(fresh), name, &problem) ||
            !has_value(after, key, value)) {
            mlx_free_p(&fresh);
            mlx_error_set(err, MLX_ERR_USAGE,
                          "%s is not written in a form that can be changed here", name);
            mlx_error_hint(err, "set %s: %s there by hand", key, value);
        }
    }
    mlx_config_destroy(&before);
    mlx_config_destroy(&after);
    return fresh;
}

/*  The file. */

/*  Write TEXT beside PATH and put it in its place. */
static int replace_file(const char *path, const char *text, mlx_error_t *err)
{
    struct stat before;
    mode_t mode = stat(path, &before) == 0 ? before.st_mode & 0777 : 0600;
    MLX_CLEANUP(mlx_free_p) char *fresh = mlx_format("%s.XXXXXX", path);
    MLX_CLEANUP(mlx_close_p) int fd = mkstemp(fresh);
    if (fd < 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "cannot write beside %s: %s", path,
                             strerror(errno));
    size_t len = strlen(text), done = 0;
    ssize_t n = 1;
    while (done < len && ((n = write(fd, text + done, len - done)) > 0 || errno == EINTR))
        done += n > 0 ? (size_t)n : 0;
    if (done == len && fchmod(fd, mode) == 0 && fsync(fd) == 0 && rename(fresh, path) == 0)
        return 0;
    mlx_error_set(err, MLX_ERR_FAILED, "cannot write %s: %s", path, strerror(errno));
    unlink(fresh);
    return -1;
}

int mlx_config_edit(const char *path, const char *key, const char *value, mlx_error_t *err)
{
    mlx_error_t problem = {0};
    MLX_CLEANUP(mlx_free_p) char *real = realpath(path, NULL);
    const char *target = real ? real : path;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_file_read(target, FILE_MAX, NULL, &problem);
    if (!text && problem.code != MLX_ERR_NOT_FOUND) {
        *err = problem;
        return -1;
    }
    MLX_CLEANUP(mlx_free_p)
    char *fresh = mlx_config_edited(text ? text : "", key, value, target, err);
    return fresh ? replace_file(target, fresh, err) : -1;
}
