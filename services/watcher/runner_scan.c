#include "runner_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "procs.h"

/*  What was met on the way, for the reason. */
typedef struct {
    mlx_runner_scan_t *out;
    const char *proc_root;
    uid_t me;
    uint16_t ollama_port;
    bool other_user;
    uid_t other_uid;
    bool other_server; /* runners of another Ollama */
    bool not_ready;    /* started, not listening yet */
    bool old_runner;   /* `ollama runner`, before 0.30 */
    bool mlx_engine;   /* `ollama runner --mlx-engine` */
} search_t;

static const char *option(const mlx_proc_t *proc, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 1; i < proc->argc; i++) {
        if (!strcmp(proc->argv[i], name))
            return i + 1 < proc->argc ? proc->argv[i + 1] : NULL;
        if (!strncmp(proc->argv[i], name, len) && proc->argv[i][len] == '=')
            return proc->argv[i] + len + 1;
    }
    return NULL;
}

static uint16_t port_of(const mlx_proc_t *proc)
{
    const char *text = option(proc, "--port");
    char *end;
    long port = text ? strtol(text, &end, 10) : 0;
    return text && *text && *end == '\0' && port > 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
}

static bool near_host(const mlx_proc_t *proc)
{
    const char *host = option(proc, "--host");
    return !host || !strcmp(host, "127.0.0.1") || !strcmp(host, "localhost") ||
           !strcmp(host, "::1");
}

static bool listens(const search_t *s, pid_t pid, uint16_t port)
{
    bool yes;
    return mlx_procs_listens(s->proc_root, pid, port, &yes, NULL) == 0 && yes;
}

/*  A parent whose sockets we may not see is taken for the right one. */
static bool parent_serves_elsewhere(const search_t *s, pid_t parent)
{
    bool yes;
    return mlx_procs_listens(s->proc_root, parent, s->ollama_port, &yes, NULL) == 0 && !yes;
}

static void accept(search_t *s, const mlx_proc_t *proc, uint16_t port)
{
    mlx_runner_process_t *found = &s->out->processes[s->out->count++];
    *found = (mlx_runner_process_t){.pid = proc->pid, .port = port};
    const char *path = option(proc, "--model");
    if (path && strlen(path) < sizeof found->model_path)
        snprintf(found->model_path, sizeof found->model_path, "%s", path);
}

static bool on_llama_server(void *arg, const mlx_proc_t *proc)
{
    search_t *s = arg;
    if (strncasecmp(proc->parent_name, "ollama", 6) != 0)
        return true;
    uint16_t port = port_of(proc);
    if (proc->uid != s->me && s->me != 0) {
        s->other_user = true;
        s->other_uid = proc->uid;
    } else if (parent_serves_elsewhere(s, proc->ppid)) {
        s->other_server = true;
    } else if (port == 0 || !near_host(proc) || !listens(s, proc->pid, port)) {
        s->not_ready = true;
    } else {
        accept(s, proc, port);
    }
    return s->out->count < MLX_RUNNERS_MAX;
}

static bool on_ollama(void *arg, const mlx_proc_t *proc)
{
    search_t *s = arg;
    if (proc->argc < 2 || strcmp(proc->argv[1], "runner") != 0)
        return true;
    for (size_t i = 2; i < proc->argc; i++)
        s->mlx_engine = s->mlx_engine || !strcmp(proc->argv[i], "--mlx-engine");
    s->old_runner = !s->mlx_engine;
    return true;
}

static void explain(const search_t *s, char *out, size_t cap)
{
    s->out->starting = s->not_ready;
    if (s->other_user)
        snprintf(out, cap,
                 "Ollama's runner belongs to another user (uid %u): run the watcher as that user, "
                 "or use the tap",
                 (unsigned)s->other_uid);
    else if (s->not_ready)
        snprintf(out, cap, "Ollama's runner is not listening on its port yet");
    else if (s->mlx_engine)
        snprintf(out, cap, "Ollama's MLX engine does not count tokens: use the tap");
    else if (s->old_runner)
        snprintf(out, cap,
                 "this Ollama is older than 0.30 and its runner reports nothing: use the tap");
    else if (s->other_server)
        snprintf(out, cap,
                 "no runner of this Ollama was found, those here belong to another Ollama: use the "
                 "tap");
    else
        snprintf(out, cap, "no runner process of this Ollama was found: use the tap");
}

void mlx_runner_scan(mlx_runner_scan_t *out, const char *proc_root, uid_t me, uint16_t ollama_port)
{
    *out = (mlx_runner_scan_t){.count = 0};
    search_t s = {.out = out, .proc_root = proc_root, .me = me, .ollama_port = ollama_port};
    mlx_error_t err = {0};
    if (mlx_procs_find(proc_root, "llama-server", on_llama_server, &s, &err)) {
        snprintf(out->reason, sizeof out->reason, "the process table cannot be read: %.180s",
                 err.text);
        return;
    }
    if (out->count > 0)
        return;
    mlx_procs_find(proc_root, "ollama", on_ollama, &s, NULL);
    explain(&s, out->reason, sizeof out->reason);
}
