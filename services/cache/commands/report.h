/*  report.h - the last status, kept in the registry with the folders it was made from
 *
 *  It stands while each of those folders has the modification time that it had, no store came or
 *  went and the registry itself was not changed: some hundred stats instead of a scan (recall.h).
 *  Used by status only.
 */
#ifndef MLX_CACHE_COMMANDS_REPORT_H
#define MLX_CACHE_COMMANDS_REPORT_H

#include "services/cache/commands/internal.h"

/*  What the report depends on besides the folders: taken before the scan. Caller owns it. */
char *mlx_report_basis(mlx_cache_t *self);

/*  Keep REPORT; what cannot be kept is made again the next time. */
void mlx_report_keep(mlx_cache_t *self, const char *basis, const mlx_scan_t *scan,
                     const mlx_value_t *report);

#endif
