#include "memory_limit.h"

#include "sysfile.h"

#include <stdlib.h>
#include <string.h>

/*  How the two versions spell the same thing. */
static const struct {
    int version;
    const char *mount; /* below fs/cgroup */
    const char *limit, *used;
} versions[] = {
    {2, "", "memory.max", "memory.current"},
    {2, "", "memory.high", "memory.current"}, /* above it the kernel takes memory back */
    {2, "/unified", "memory.max", "memory.current"},
    {2, "/unified", "memory.high", "memory.current"},
    {1, "/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"},
};

/*  Line is "12:cpu,memory:/path": does its middle list the memory controller? */
static bool lists_memory(const char *list, size_t len)
{
    static const char name[] = "memory";
    while (len) {
        const char *comma = memchr(list, ',', len);
        size_t word = comma ? (size_t)(comma - list) : len;
        if (word == sizeof name - 1 && strncmp(list, name, word) == 0)
            return true;
        size_t step = comma ? word + 1 : word;
        list += step;
        len -= step;
    }
    return false;
}

/*  Has PATH a part that is ".."? */
static bool leads_out(const char *path)
{
    for (const char *p = strstr(path, "/.."); p; p = strstr(p + 1, "/.."))
        if (p[3] == '/' || p[3] == '\0')
            return true;
    return false;
}

/*  The path of our group in the hierarchy of VERSION; "" when that is its root or not ours to see.
 *  Caller frees. */
static char *group_path(const char *text, int version)
{
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *first = strchr(line, ':');
        const char *second = first ? strchr(first + 1, ':') : NULL;
        size_t length = strcspn(line, "\n");
        if (!second || second > line + length)
            continue;
        size_t list = (size_t)(second - first - 1);
        bool ours =
            version == 2 ? list == 0 && strncmp(line, "0:", 2) == 0 : lists_memory(first + 1, list);
        if (!ours)
            continue;
        char *path = mlx_strndup(second + 1, length - (size_t)(second + 1 - line));
        /* A group outside our namespace is shown as "/../name": only the root is ours to see. */
        if (path[0] != '/' || path[1] == '\0' || leads_out(path))
            path[0] = '\0';
        return path;
    }
    return mlx_strdup("");
}

/*  The group at PATH and all above it. */
static void open_groups(mlx_memory_limits_t *self, const char *sys_root, size_t row, char *path)
{
    for (;;) {
        const char *mount = versions[row].mount;
        int limit =
            mlx_sysfile_open("%s/fs/cgroup%s%s/%s", sys_root, mount, path, versions[row].limit);
        if (limit >= 0 && self->count < MLX_MEMORY_GROUPS) {
            self->groups[self->count].version = versions[row].version;
            self->groups[self->count].limit = limit;
            self->groups[self->count++].used =
                mlx_sysfile_open("%s/fs/cgroup%s%s/%s", sys_root, mount, path, versions[row].used);
        } else {
            mlx_close_p(&limit);
        }
        char *slash = strrchr(path, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

void mlx_memory_limits_open(mlx_memory_limits_t *self, const char *proc_root, const char *sys_root)
{
    char text[16384]; /* a line for each hierarchy, with a path that containers nest */
    MLX_CLEANUP(mlx_close_p) int fd = mlx_sysfile_open("%s/self/cgroup", proc_root);
    self->count = 0;
    if (mlx_sysfile_read(fd, text, sizeof text) < 0)
        return;
    for (size_t i = 0; i < MLX_COUNT(versions); i++) {
        MLX_CLEANUP(mlx_free_p) char *path = group_path(text, versions[i].version);
        open_groups(self, sys_root, i, path);
    }
}

void mlx_memory_limits_close(mlx_memory_limits_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        mlx_close_p(&self->groups[i].limit);
        mlx_close_p(&self->groups[i].used);
    }
    self->count = 0;
}

bool mlx_memory_limits_read(const mlx_memory_limits_t *self, int64_t total, mlx_memory_limit_t *out)
{
    *out = (mlx_memory_limit_t){.limit = total, .left = -1};
    for (size_t i = 0; i < self->count; i++) {
        int64_t limit; /* "max", no limit, is not a number; version 1 says 2^63 less a page */
        int64_t used;
        if (!mlx_sysfile_int(self->groups[i].limit, &limit) || limit < 0 || limit >= total)
            continue;
        out->limit = limit < out->limit ? limit : out->limit;
        if (!mlx_sysfile_int(self->groups[i].used, &used) || used < 0)
            continue;
        int64_t left = used < limit ? limit - used : 0;
        if (out->left >= 0 && left >= out->left)
            continue;
        out->left = left;
        out->used = used;
        out->version = self->groups[i].version;
    }
    return out->limit < total;
}
