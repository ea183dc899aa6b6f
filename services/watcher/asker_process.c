#include "asker_process.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HOLDERS = 16, /* processes that held a socket lately */
    KNOWN = 256,  /* sockets whose holder is remembered: as many as the tap has connections */
    PIDS = 65536,
};

/*  A socket by what names it; the pid is checked again before it is believed for another one. */
typedef struct {
    uint64_t inode;
    uint16_t port, server_port;
    pid_t pid;
    char name[MLX_ASKER_PROCESS];
} known_t;

struct mlx_asker_finder {
    const char *proc_root;
    pid_t holders[HOLDERS];
    size_t holder_count, next_holder;
    known_t known[KNOWN]; /* a ring */
    size_t known_count, next_known;
    int64_t next_scan_us;
};

mlx_asker_finder_t *mlx_asker_finder_new(const char *proc_root)
{
    mlx_asker_finder_t *self = mlx_alloc(1, sizeof *self);
    self->proc_root = proc_root;
    return self;
}

void mlx_asker_finder_destroy(mlx_asker_finder_t **self)
{
    mlx_free_p(self);
}

/* ---- names ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/*  Programs that run another: "python3.12", "node", "bash". */
static bool is_interpreter(const char *name)
{
    static const char *const all[] = {"python", "pypy", "node", "deno", "bun", "ruby",
                                      "perl",   "bash", "sh",   "java", "uv",  "php"};
    size_t len = strcspn(name, "0123456789.-");
    for (size_t i = 0; i < MLX_COUNT(all); i++)
        if (strlen(all[i]) == len && strncmp(all[i], name, len) == 0)
            return true;
    return false;
}

/*  The script among the arguments of an interpreter, or NULL: "-m module", else the first that is
 *  no option. What follows "-c" is a program's text and may hold anything. */
static const char *script_of(size_t argc, const char *const *argv)
{
    for (size_t i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "-e") == 0)
            return NULL;
        if (strcmp(argv[i], "-m") == 0)
            return i + 1 < argc ? argv[i + 1] : NULL;
        if (argv[i][0] != '-')
            return base_name(argv[i]);
    }
    return NULL;
}

void mlx_asker_program(size_t argc, const char *const *argv, char out[MLX_ASKER_PROCESS])
{
    const char *name = argc ? base_name(argv[0]) : "";
    if (*name == '-') /* a login shell */
        name++;
    const char *script = is_interpreter(name) ? script_of(argc, argv) : NULL;
    if (script && *script)
        name = script;
    mlx_asker_text(out, MLX_ASKER_PROCESS, name, strlen(name));
}

/* ---- who holds it ---- */

static bool same_socket(const known_t *known, const mlx_asker_end_t *peer)
{
    return known->inode == peer->inode && known->port == peer->port &&
           known->server_port == peer->server_port;
}

static const known_t *recall(const mlx_asker_finder_t *self, const mlx_asker_end_t *peer)
{
    for (size_t i = 0; i < self->known_count; i++)
        if (same_socket(&self->known[i], peer))
            return &self->known[i];
    return NULL;
}

static const known_t *remember(mlx_asker_finder_t *self, const mlx_asker_end_t *peer, pid_t pid,
                               const char name[MLX_ASKER_PROCESS])
{
    known_t *known = &self->known[self->next_known];
    self->next_known = (self->next_known + 1) % KNOWN;
    self->known_count += self->known_count < KNOWN;
    *known = (known_t){
        .inode = peer->inode, .port = peer->port, .server_port = peer->server_port, .pid = pid};
    snprintf(known->name, sizeof known->name, "%s", name);
    for (size_t i = 0; i < self->holder_count; i++)
        if (self->holders[i] == pid)
            return known;
    self->holders[self->next_holder] = pid;
    self->next_holder = (self->next_holder + 1) % HOLDERS;
    self->holder_count += self->holder_count < HOLDERS;
    return known;
}

static pid_t among_holders(const mlx_asker_finder_t *self, const mlx_asker_end_t *peer)
{
    for (size_t i = 0; i < self->holder_count; i++)
        if (mlx_asker_holds(self->proc_root, self->holders[i], peer))
            return self->holders[i];
    return 0;
}

static pid_t scan(mlx_asker_finder_t *self, const mlx_asker_end_t *peer, int64_t now_us)
{
    if (now_us < self->next_scan_us)
        return 0;
    self->next_scan_us = now_us + (int64_t)MLX_ASKER_SCAN_MS * 1000;
    MLX_CLEANUP(mlx_free_p) pid_t *pids = mlx_alloc(PIDS, sizeof *pids);
    size_t count = mlx_asker_processes(self->proc_root, pids, PIDS);
    for (size_t i = 0; i < count; i++)
        if (mlx_asker_holds(self->proc_root, pids[i], peer))
            return pids[i];
    return 0;
}

bool mlx_asker_find(mlx_asker_finder_t *self, mlx_asker_t *asker, int64_t now_us)
{
    const mlx_asker_end_t *peer = &asker->peer;
    if (asker->pid)
        return true;
    if (!peer->here || !peer->port)
        return false;
    const known_t *known = recall(self, peer);
    if (!known) {
        char name[MLX_ASKER_PROCESS];
        pid_t pid = among_holders(self, peer);
        if (!pid)
            pid = scan(self, peer, now_us);
        if (!pid || !mlx_asker_name_of(self->proc_root, pid, name))
            return false;
        known = remember(self, peer, pid, name);
    }
    asker->pid = known->pid;
    snprintf(asker->process, sizeof asker->process, "%s", known->name);
    return true;
}
