#include "common/base/rfc3339.h"

#include <stdio.h>
#include <time.h>

static bool is_real(const struct tm *tm)
{
    return tm->tm_year >= 1 && tm->tm_mon >= 1 && tm->tm_mon <= 12 && tm->tm_mday >= 1 &&
           tm->tm_mday <= 31 && tm->tm_hour >= 0 && tm->tm_hour <= 23 && tm->tm_min >= 0 &&
           tm->tm_min <= 59 && tm->tm_sec >= 0 && tm->tm_sec <= 60;
}

bool mlx_rfc3339_parse(const char *text, int64_t *us)
{
    struct tm tm = {.tm_isdst = 0};
    int at = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &at) != 6 ||
        !is_real(&tm))
        return false;
    int64_t fraction = 0;
    int64_t scale = 100000;
    if (text[at] == '.')
        for (at++; text[at] >= '0' && text[at] <= '9'; at++, scale /= 10)
            fraction += scale * (text[at] - '0');
    int hours = 0;
    int minutes = 0;
    int end = 0;
    char sign = text[at];
    if (sign != 'Z' && ((sign != '+' && sign != '-') ||
                        sscanf(text + at + 1, "%2d:%2d%n", &hours, &minutes, &end) != 2 ||
                        hours < 0 || hours > 23 || minutes < 0 || minutes > 59))
        return false;
    if (text[at + 1 + end])
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t offset = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    *us = ((int64_t)timegm(&tm) + (sign == '-' ? offset : -offset)) * 1000000 + fraction;
    return true;
}
