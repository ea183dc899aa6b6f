/*  loopback.h - is that this machine?
 *
 *      if (!https && !mlx_loopback_url(url))
 *          return refuse("is not encrypted");
 *
 *  The host as URLs and Host headers have it: "localhost" in any case, an address of 127.0.0.0/8,
 *  or ::1, with or without brackets. A name that only begins like one ("127.example.org",
 *  "localhost.example.org") is another machine's.
 */
#ifndef MLX_COMMON_BASE_LOOPBACK_H
#define MLX_COMMON_BASE_LOOPBACK_H

#include "proto/base.h"

/*  HOST: LEN bytes, no port; it need not end there. */
bool mlx_loopback_host(const char *host, size_t len);

/*  URL: "http://HOST[:PORT][/...]" or https. False for any other scheme, and with a user name. */
bool mlx_loopback_url(const char *url);

#endif
