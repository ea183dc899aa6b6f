#include "common/base/rfc3339.h"

#include <stdio.h>
#include <time.h>

bool mlx_rfc3339_parse(const char *text, int64_t *us)
{
    struct tm tm = {.tm_isdst = 0};
    int at = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &at) != 6 ||
        tm.tm_year < 1)
        return false;
    int64_t fraction = 0;
    int64_t scale = 100000;
    if (text[at] == '.')
        for (at++; text[at] >= '0' && text[at] <= '9'; at++, scale /= 10)
            fraction += scale * (text[at] - '0');
    int hours = 0;
    int minutes = 0;
    char sign = text[at];
    if (sign != 'Z' &&
        ((sign != '+' && sign != '-') || sscanf(text + at + 1, "%2d:%2d", &hours, &minutes) != 2))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t offset = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    *us = ((int64_t)timegm(&tm) + (sign == '-' ? offset : -offset)) * 1000000 + fraction;
    return true;
}
