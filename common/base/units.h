/*  units.h - figures as people read them
 *
 *      MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(9.0e9, MLX_UNIT_BYTES);   "9.0 GB"
 *
 *  Sizes are in SI steps (1 GB = 10^9 bytes), as disks and the seed's screens show them.
 */
#ifndef MLX_COMMON_BASE_UNITS_H
#define MLX_COMMON_BASE_UNITS_H

#include "proto/catalogue.h"
#include "proto/error.h"

/*  VALUE with its unit: "9.0 GB", "29%", "42.3 tok/s", "48°C", "35 W", "1.41 GHz", "4m 20s". NaN
 *  gives "n/a". Caller owns the string and must free it. */
char *mlx_format_unit(double value, mlx_unit_t unit);

/*  The moment T_US (microseconds since 1970) as "2026-11-25 08:00" in local time. False where that
 *  does not fit into SIZE, 17 or more, or is beyond the calendar. */
bool mlx_format_minute(int64_t t_us, char *text, size_t size);

/*  Seconds from "90", "1.5s", "500ms", "2m", "1h 30m", "7d". 0, or -1 with ERR. */
int mlx_parse_duration(const char *text, double *seconds, mlx_error_t *err);

#endif
