/*  opens.h - how many connections the servers of this machine have accepted, ever
 *
 *  One number of the system: where it has not changed nobody has connected to any server, and no
 *  table needs to be looked through.
 *
 *      mlx_opens_t *opens = mlx_opens_new(http);
 *      if (mlx_opens_count(opens, &all, &others) && others <= before) ...   nobody has come
 *
 *  Linux: /proc/net/snmp, of this network namespace. Elsewhere it is not known.
 */
#ifndef MLX_WATCHER_OPENS_H
#define MLX_WATCHER_OPENS_H

#include "common/http/http.h"

typedef struct mlx_opens mlx_opens_t;

/*  HTTP (may be NULL) is borrowed. Caller owns it and must destroy it before HTTP. */
mlx_opens_t *mlx_opens_new(const mlx_http_t *http);
void mlx_opens_destroy(mlx_opens_t **self);

/*  *ALL of them, and *OTHERS: those of our own HTTP client left out; that one may fall when such a
 *  connection was seen before it was known to be ours. false: it is not known. Read at most once in
 *  some milliseconds: it is cheap to ask often. */
bool mlx_opens_count(mlx_opens_t *self, uint64_t *all, uint64_t *others);

#endif
