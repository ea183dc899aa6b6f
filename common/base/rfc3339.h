/*  rfc3339.h - the dates that servers write: "2026-11-23T19:09:22.006980096Z", "...+01:00"
 *
 *      int64_t us;
 *      if (mlx_rfc3339_parse(text, &us)) ...        microseconds since the epoch
 */
#ifndef MLX_COMMON_BASE_RFC3339_H
#define MLX_COMMON_BASE_RFC3339_H

#include "proto/base.h"

/*  Read TEXT (RFC 3339 with any number of digits of the second; those beyond microseconds are
 *  dropped, and nothing behind it). Years 1 to 9999: negative before 1970. false: it is not a date,
 *  *US untouched. */
bool mlx_rfc3339_parse(const char *text, int64_t *us);

#endif
