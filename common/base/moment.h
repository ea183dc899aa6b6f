/*  moment.h - points in time, as people write them and as we do
 *
 *      int64_t since;
 *      if (mlx_moment_parse("2h", mlx_wall_us(), &since, &err)) ...
 *      mlx_moment_write(&line, since);                     2026-11-25T08:00:00.123Z
 *
 *  All are microseconds since the epoch. What servers write is read by rfc3339.h.
 */
#ifndef MLX_COMMON_BASE_MOMENT_H
#define MLX_COMMON_BASE_MOMENT_H

#include "proto/buf.h"
#include "proto/error.h"

/*  Append T_US in UTC, to the millisecond. */
void mlx_moment_write(mlx_buf_t *out, int64_t t_us);

/*  A point in time from TEXT: a time before NOW_US ("90s", "2h", "7d"), "now", a date of RFC 3339,
 *  or "2026-11-25", "2026-11-25T08:00", "2026-11-25 08:00:00" in local time, with a Z in UTC. 0, or
 *  -1 with ERR (usage). */
int mlx_moment_parse(const char *text, int64_t now_us, int64_t *t_us, mlx_error_t *err);

#endif
