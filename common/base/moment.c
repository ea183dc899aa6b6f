#include "common/base/moment.h"

#include "common/base/rfc3339.h"
#include "common/base/units.h"

#include <string.h>
#include <time.h>

void mlx_moment_write(mlx_buf_t *out, int64_t t_us)
{
    int64_t ms = t_us / 1000 - (t_us % 1000 < 0);
    int64_t rest = (ms % 1000 + 1000) % 1000;
    time_t seconds = (time_t)((ms - rest) / 1000);
    struct tm tm;
    char text[40];
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    mlx_buf_printf(out, "%s.%03dZ", text, (int)rest);
}

static bool parse_local(const char *text, int64_t *t_us)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                                        "%Y-%m-%d %H:%M", "%Y-%m-%d"};
    for (size_t i = 0; i < MLX_COUNT(forms); i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *rest = strptime(text, forms[i], &tm);
        bool utc = rest && strcmp(rest, "Z") == 0;
        time_t t = !rest || (*rest && !utc) ? (time_t)-1 : utc ? timegm(&tm) : mktime(&tm);
        if (t >= 0) {
            *t_us = (int64_t)t * 1000000;
            return true;
        }
    }
    return false;
}

int mlx_moment_parse(const char *text, int64_t now_us, int64_t *t_us, mlx_error_t *err)
{
    double ago;
    *t_us = now_us;
    if (strcmp(text, "now") == 0)
        return 0;
    if (mlx_parse_duration(text, &ago, NULL) == 0) {
        *t_us = ago * 1e6 < (double)now_us ? now_us - (int64_t)(ago * 1e6) : 0;
        return 0;
    }
    if (parse_local(text, t_us) || mlx_rfc3339_parse(text, t_us))
        return 0;
    mlx_error_set(err, MLX_ERR_USAGE, "%.60s is not a time", text);
    return mlx_error_hint(err, "write 2h, 7d, now, 2026-11-25 or 2026-11-25T08:00");
}
