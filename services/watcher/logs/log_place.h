/*  log_place.h - where a model server of this machine writes its log
 *
 *      mlx_log_place_t place;
 *      mlx_log_place_find(&place, format, 11434, "/proc");
 *      place.how       MLX_LOG_FILE: place.path; MLX_LOG_UNIT: the journal of place.unit
 *      place.reason    why there is none
 *
 *  Nothing has to be set up: the server's own process (the one that listens on its port) tells. In
 *  this order: the file that its arguments name, the file that its standard error or output is, the
 *  journal of its unit, the log of its container, the file that it writes by itself. Only what the
 *  system shows to an ordinary user is used.
 */
#ifndef MLX_WATCHER_LOGS_LOG_PLACE_H
#define MLX_WATCHER_LOGS_LOG_PLACE_H

#include <sys/types.h>

#include "log_grammar.h"
#include "log_wrap.h"

enum {
    MLX_LOG_PATH_MAX = 1024,
    MLX_LOG_UNIT_MAX = 200,
};

typedef enum {
    MLX_LOG_NOWHERE,
    MLX_LOG_FILE,
    MLX_LOG_UNIT,
} mlx_log_how_t;

typedef struct {
    mlx_log_how_t how;
    mlx_log_wrap_t wrap;
    char path[MLX_LOG_PATH_MAX];
    uid_t owner; /* whose file it must be; (uid_t)-1: anybody's */
    bool newest; /* another file may take its place: look again now and then */
    char unit[MLX_LOG_UNIT_MAX];
    bool user_unit;
    char reason[256];
} mlx_log_place_t;

/*  PORT: where the server listens. */
void mlx_log_place_find(mlx_log_place_t *out, const mlx_log_grammar_t *format, uint16_t port,
                        const char *proc_root);

/*  Parts, for tests ------------------------------------------------------------------------- */

/*  What the text of /proc/PID/cgroup says: the unit of systemd, or the id of a container. */
void mlx_log_place_of_cgroup(const char *text, mlx_log_place_t *out);

/*  One file per system: into PATH what standard error or output of PID is, if it is a regular file;
 *  *ELSEWHERE: what it is otherwise, in words; NULL when that is not shown. */
bool mlx_log_place_output(const char *proc_root, pid_t pid, char path[MLX_LOG_PATH_MAX],
                          const char **elsewhere);

/*  Into TEXT what /proc/PID/cgroup says; "" where there is no such thing. */
void mlx_log_place_cgroup(const char *proc_root, pid_t pid, char *text, size_t cap);

#endif
