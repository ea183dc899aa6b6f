#include "log_place.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/paths.h"
#include "services/watcher/procs.h"

/* ---- the process ---- */

typedef struct {
    const mlx_log_grammar_t *format;
    const char *proc_root;
    uint16_t port;
    pid_t pid; /* 0: not found */
    pid_t foreign;
    size_t foreigners;
    char log_file[MLX_LOG_PATH_MAX]; /* as its arguments name it */
} search_t;

static bool has_word(const mlx_proc_t *proc, const char *word)
{
    if (!word || proc->argc == 0)
        return true;
    for (size_t i = 0; i < proc->argc; i++)
        if (strstr(proc->argv[i], word))
            return true;
    return false;
}

static void note_log_file(search_t *s, const mlx_proc_t *proc)
{
    for (size_t i = 1; i + 1 < proc->argc; i++)
        if (!strcmp(proc->argv[i], "--log-file") && proc->argv[i + 1][0] == '/')
            snprintf(s->log_file, sizeof s->log_file, "%.*s", MLX_LOG_PATH_MAX - 1,
                     proc->argv[i + 1]);
        else if (!strcmp(proc->argv[i], "--log-file"))
            snprintf(s->log_file, sizeof s->log_file, "%s/%d/cwd/%.900s", s->proc_root,
                     (int)proc->pid, proc->argv[i + 1]);
}

/*  The one that listens there; of another user's, whose sockets are not shown, the only one. */
static bool on_process(void *arg, const mlx_proc_t *proc)
{
    search_t *s = arg;
    bool listens = false;
    mlx_error_t err = {0};
    if (!has_word(proc, s->format->word))
        return true;
    if (mlx_procs_listens(s->proc_root, proc->pid, s->port, &listens, &err) == 0 && listens) {
        s->pid = proc->pid;
        note_log_file(s, proc);
        return false;
    }
    if (err.code == MLX_ERR_UNAVAILABLE) {
        s->foreign = proc->pid;
        s->foreigners++;
    }
    return true;
}

/* ---- units and containers ---- */

static bool ends(const char *text, size_t len, const char *with)
{
    size_t tail = strlen(with);
    return len > tail && memcmp(text + len - tail, with, tail) == 0;
}

static void take_unit(const char *name, size_t len, bool user, mlx_log_place_t *out)
{
    static const char fit[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.@\\-";
    if (len >= sizeof out->unit || strspn(name, fit) < len || *name == '-')
        return;
    memcpy(out->unit, name, len);
    out->unit[len] = '\0';
    out->user_unit = user;
    out->how = MLX_LOG_UNIT;
    out->wrap = MLX_LOG_JOURNAL;
}

/*  "docker-<64 hex digits>.scope", or these digits alone below "docker". */
static void take_container(const char *name, size_t len, mlx_log_place_t *out)
{
    const char *id = strncmp(name, "docker-", 7) == 0 ? name + 7 : name;
    size_t hex = strspn(id, "0123456789abcdef");
    if (hex != 64 || (size_t)(id - name) + hex > len)
        return;
    snprintf(out->path, sizeof out->path, "/var/lib/docker/containers/%.64s/%.64s-json.log", id,
             id);
    out->how = MLX_LOG_FILE;
    out->wrap = MLX_LOG_DOCKER;
    out->owner = (uid_t)-1;
}

void mlx_log_place_of_cgroup(const char *text, mlx_log_place_t *out)
{
    size_t line = strcspn(text, "\n");
    bool user = false;
    for (const char *at = text; at < text + line;) {
        size_t len = strcspn(at, "/\n");
        if (ends(at, len, ".service") && strncmp(at, "user@", 5) == 0)
            user = true;
        else if (ends(at, len, ".service"))
            take_unit(at, len, user, out);
        else
            take_container(at, len, out);
        at += len + 1;
    }
}

/* ---- files that a server writes by itself ---- */

typedef struct {
    char path[MLX_LOG_PATH_MAX];
    time_t changed;
} newest_t;

static void close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

/*  The entry of FOLDER that was changed last: a file that ends with ".log", or a folder. */
static void find_newest(const char *folder, bool folders, newest_t *out)
{
    *out = (newest_t){.changed = 0};
    MLX_CLEANUP(close_dir) DIR *dir = opendir(folder);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        struct stat st;
        char path[MLX_LOG_PATH_MAX];
        size_t len = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || (!folders && !ends(entry->d_name, len, ".log")))
            continue;
        int whole = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (whole < 0 || (size_t)whole >= sizeof path)
            continue;
        bool fits = stat(path, &st) == 0 && (folders ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode));
        if (fits && (st.st_mtime > out->changed ||
                     (st.st_mtime == out->changed && strcmp(path, out->path) > 0))) {
            out->changed = st.st_mtime;
            memcpy(out->path, path, sizeof path);
        }
    }
}

static bool take_own_file(const char *below_home, mlx_log_place_t *out)
{
    MLX_CLEANUP(mlx_free_p) char *name = mlx_format("~/%s", below_home);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_paths_expand(NULL, name, NULL);
    struct stat st;
    newest_t newest = {.changed = 0};
    if (!path || strlen(path) >= sizeof out->path)
        return false;
    if (ends(below_home, strlen(below_home), "/")) {
        path[strlen(path) - 1] = '\0';
        newest_t folder;
        find_newest(path, true, &folder);
        if (folder.path[0])
            find_newest(folder.path, false, &newest);
        out->newest = true;
    } else if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
        snprintf(newest.path, sizeof newest.path, "%s", path);
    }
    if (!newest.path[0])
        return false;
    memcpy(out->path, newest.path, sizeof out->path);
    out->how = MLX_LOG_FILE;
    out->wrap = MLX_LOG_PLAIN;
    out->owner = geteuid();
    return true;
}

/* ---- all together ---- */

static bool take_output(const search_t *s, mlx_log_place_t *out, const char **elsewhere)
{
    struct stat st;
    if (s->log_file[0] && stat(s->log_file, &st) == 0 && S_ISREG(st.st_mode)) {
        memcpy(out->path, s->log_file, sizeof out->path);
    } else if (!s->pid || !mlx_log_place_output(s->proc_root, s->pid, out->path, elsewhere)) {
        return false;
    }
    out->how = MLX_LOG_FILE;
    out->owner = geteuid();
    return true;
}

/*  The journal has what a unit's process writes to a socket. */
static bool take_service(const search_t *s, pid_t pid, const char *elsewhere, mlx_log_place_t *out)
{
    char text[4096];
    mlx_log_place_cgroup(s->proc_root, pid, text, sizeof text);
    mlx_log_place_of_cgroup(text, out);
    bool journal = !elsewhere || !strcmp(elsewhere, "socket");
    if (out->how == MLX_LOG_UNIT && !journal)
        out->how = MLX_LOG_NOWHERE;
    if (out->how == MLX_LOG_FILE && access(out->path, R_OK)) {
        out->how = MLX_LOG_NOWHERE;
        snprintf(out->reason, sizeof out->reason,
                 "the log of its container may be read by root only");
    }
    return out->how != MLX_LOG_NOWHERE;
}

void mlx_log_place_find(mlx_log_place_t *out, const mlx_log_grammar_t *format, uint16_t port,
                        const char *proc_root)
{
    *out = (mlx_log_place_t){.how = MLX_LOG_NOWHERE};
    search_t s = {.format = format, .proc_root = proc_root, .port = port};
    const char *elsewhere = NULL;
    if (format->program)
        mlx_procs_find(proc_root, format->program, on_process, &s, NULL);
    if (take_output(&s, out, &elsewhere))
        return;
    pid_t pid = s.pid ? s.pid : s.foreigners == 1 ? s.foreign : 0;
    if (pid && take_service(&s, pid, elsewhere, out))
        return;
    for (size_t i = 0; i < MLX_COUNT(format->files) && format->files[i]; i++)
        if (take_own_file(format->files[i], out))
            return;
    if (out->reason[0])
        return;
    if (elsewhere)
        snprintf(out->reason, sizeof out->reason, "its log goes to %s", elsewhere);
    else if (!pid && format->program)
        snprintf(out->reason, sizeof out->reason, "its process was not found on this machine");
    else
        snprintf(out->reason, sizeof out->reason, "it writes no log that is known");
}
