/*  recall.h - does the status that the registry keeps (report.h) still hold
 *
 *  Knows none of the apps: what they asked for when it was made is in its basis, one thing a line.
 *  So the program that people type starts without what scans, hashes and changes.
 *
 *      variable NAME=VALUE         an environment variable that was asked for; empty: not set
 *      store DEV PATH              a folder where an app may have models; DEV 0: it does not exist
 *      file MTIME DEV INO PATH     a file that tells where they are; all 0: it does not exist
 *      folder PATH                 the current folder, where a path is relative
 *      registry COUNTS             of models, operations and hashes
 */
#ifndef MLX_CACHE_COMMANDS_RECALL_H
#define MLX_CACHE_COMMANDS_RECALL_H

#include "common/base/db.h"
#include "services/cache/cache.h"

enum {
    MLX_RECALL_PATH = 4096 /* longest current folder */
};

/*  The device of PATH, or 0 when it does not exist. */
uint64_t mlx_recall_device(const char *path);

/*  What a "registry" line says now. Caller owns it. */
char *mlx_recall_counts(mlx_db_t *db);

/*  The kept report if it holds, else NULL. Caller owns it. */
mlx_value_t *mlx_recall_status(mlx_db_t *db, const mlx_env_t *env);

#endif
