#include "sysfile.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUMBER_TEXT 64
#define WHOLE_BELOW 2048
#define MAX_UNIT 1000000000 /* nine decimals are kept */

static int open_path(const char *path)
{
    /* A recorded tree may hold anything: never wait for the other end of a pipe. */
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

int mlx_sysfile_open(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_vformat(fmt, args);
    va_end(args);
    return open_path(path);
}

/*  Leave nothing behind that a careless caller could take for the content. */
static long fail(char *buf)
{
    buf[0] = '\0';
    return -1;
}

/*  The first read brought all there is, so that nobody need ask for the end. The kernel gives a
 *  text of several records page by page, none of them longer than half a page: what is shorter than
 *  that and ends with its line has no more behind it. */
static bool is_whole(const char *buf, size_t len)
{
    return len < WHOLE_BELOW && buf[len - 1] == '\n';
}

long mlx_sysfile_read(int fd, char *buf, size_t size)
{
    size_t len = 0;
    while (fd >= 0 && len < size - 1) {
        ssize_t got = pread(fd, buf + len, size - 1 - len, (off_t)len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(buf);
        bool first = len == 0;
        len += (size_t)got;
        if (got == 0 || (first && is_whole(buf, len)))
            break;
    }
    if (len && buf[len - 1] == '\0')
        len--; /* device tree strings are terminated */
    buf[len] = '\0';
    if (len == 0 || memchr(buf, '\0', len))
        return fail(buf);
    return (long)len;
}

static const char *skip_blanks(const char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    return text;
}

bool mlx_sysfile_parse_int(const char **text, int64_t *out)
{
    const char *p = skip_blanks(*text);
    bool negative = *p == '-';
    p += negative;
    if (!isdigit((unsigned char)*p))
        return false;
    int64_t value = 0;
    for (; isdigit((unsigned char)*p); p++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *p - '0', &value))
            return false;
    *out = negative ? -value : value;
    *text = p;
    return true;
}

bool mlx_sysfile_parse_real(const char **text, double *out)
{
    const char *p = *text;
    int64_t whole;
    if (!mlx_sysfile_parse_int(&p, &whole))
        return false;
    /* One division at the end rounds once: 0.36 is the double that a person means. */
    int64_t digits = 0;
    int64_t unit = 1;
    if (*p == '.')
        for (p++; isdigit((unsigned char)*p); p++)
            if (unit < MAX_UNIT) {
                digits = digits * 10 + (*p - '0');
                unit *= 10;
            }
    if (whole > INT64_MAX / unit - 1 || whole < -(INT64_MAX / unit - 1))
        return false;
    int64_t scaled = whole * unit + (*skip_blanks(*text) == '-' ? -digits : digits);
    *out = (double)scaled / (double)unit;
    *text = p;
    return true;
}

bool mlx_sysfile_int(int fd, int64_t *out)
{
    char text[NUMBER_TEXT];
    if (mlx_sysfile_read(fd, text, sizeof text) < 0)
        return false;
    const char *p = text;
    int64_t value;
    if (!mlx_sysfile_parse_int(&p, &value))
        return false;
    while (isspace((unsigned char)*p))
        p++;
    if (*p)
        return false;
    *out = value;
    return true;
}

double mlx_sysfile_gauge(int fd, double scale, double min, double max)
{
    int64_t raw;
    if (!mlx_sysfile_int(fd, &raw))
        return NAN;
    /* Dividing by a whole number rounds once: 47.05, not 47.050000000000004. */
    double value = scale < 1 ? (double)raw / round(1 / scale) : (double)raw * scale;
    return value >= min && value <= max ? value : NAN;
}

bool mlx_sysfile_line(char *buf, size_t size, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_vformat(fmt, args);
    va_end(args);
    MLX_CLEANUP(mlx_close_p) int fd = open_path(path);
    if (mlx_sysfile_read(fd, buf, size) < 0)
        return false;
    size_t len = strcspn(buf, "\n");
    while (len && isspace((unsigned char)buf[len - 1]))
        len--;
    buf[len] = '\0';
    for (char *p = buf; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
    return len > 0;
}

/*  NAME is prefix, digits, suffix and nothing else. */
static bool match(const char *name, const char *prefix, const char *suffix, unsigned *number)
{
    size_t len = strlen(prefix);
    if (strncmp(name, prefix, len) != 0)
        return false;
    const char *p = name + len;
    int64_t value;
    if (!isdigit((unsigned char)*p) || !mlx_sysfile_parse_int(&p, &value) || value > INT32_MAX)
        return false;
    *number = (unsigned)value;
    return strcmp(p, suffix) == 0;
}

static int ascending(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a;
    unsigned y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

/*  A folder lists its entries in no order: of too many the lowest stay, at each look the same. */
static void replace_highest(unsigned *numbers, size_t count, unsigned number)
{
    size_t highest = 0;
    for (size_t i = 1; i < count; i++)
        if (numbers[i] > numbers[highest])
            highest = i;
    if (number < numbers[highest])
        numbers[highest] = number;
}

size_t mlx_sysfile_numbers(unsigned *out, size_t max, const char *prefix, const char *suffix,
                           const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_vformat(fmt, args);
    va_end(args);
    DIR *dir = opendir(path);
    if (!dir)
        return 0;
    size_t count = 0;
    const struct dirent *entry;
    while (max && (entry = readdir(dir))) {
        unsigned number;
        if (!match(entry->d_name, prefix, suffix, &number))
            continue;
        if (count < max)
            out[count++] = number;
        else
            replace_highest(out, count, number);
    }
    closedir(dir);
    qsort(out, count, sizeof *out, ascending);
    return count;
}

const char *mlx_sysfile_find(const char *text, const char *key, char separator)
{
    size_t len = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, len) != 0)
            continue;
        const char *end = line + len;
        if (*end != separator)
            end = skip_blanks(end);
        if (*end == separator)
            return skip_blanks(end + 1);
    }
    return NULL;
}

void mlx_sysfile_copy(char *out, size_t size, const char *text, const char *key)
{
    const char *p = mlx_sysfile_find(text, key, '=');
    size_t len = p ? strcspn(p, "\n") : 0;
    out[0] = '\0';
    if (len < size) {
        memcpy(out, p ? p : "", len);
        out[len] = '\0';
    }
}
