/*  sysfile.h - the small text files of /proc and /sys, read cheaply and with distrust
 *
 *  A file that is read again and again is opened once: pread from offset 0 makes the kernel write
 *  it again at a third of the price of open, read and close. Everything is bounded, numbers are
 *  checked to the last byte, and what cannot be read is NAN or false, never 0.
 *
 *      int fd = mlx_sysfile_open("%s/class/hwmon/hwmon0/temp1_input", sys_root);
 *      double celsius = mlx_sysfile_gauge(fd, 1e-3, -100, 250);
 *      mlx_close_p(&fd);
 *
 *  Every function takes a descriptor of -1 for a file that does not exist.
 */
#ifndef MLX_SAMPLER_SYSFILE_H
#define MLX_SAMPLER_SYSFILE_H

#include "proto/base.h"

/*  Open the file named by the format for reading; -1 with errno when that does not go. */
int mlx_sysfile_open(const char *fmt, ...) MLX_PRINTF(1, 2);

/*  Read the file from its start into BUF, terminated by NUL; at most SIZE - 1 bytes, what is longer
 *  is cut. Returns the length; -1 when it cannot be read, is empty or holds a NUL byte before its
 *  end. */
long mlx_sysfile_read(int fd, char *buf, size_t size);

/*  The file's one whole number: true and *OUT set, or false. */
bool mlx_sysfile_int(int fd, int64_t *out);

/*  The file's one whole number times SCALE (a whole number or one part of it: 1e3, 1e-6), or NAN
 *  when it is not readable, no number or the result is outside MIN..MAX. */
double mlx_sysfile_gauge(int fd, double scale, double min, double max);

/*  First line of the file named by the format, without trailing blanks, unprintable bytes replaced
 *  by '?'. False when the file is not readable or the line is empty. */
bool mlx_sysfile_line(char *buf, size_t size, const char *fmt, ...) MLX_PRINTF(3, 4);

/*  The numbers N of the entries "<prefix>N<suffix>" of the directory named by the format,
 *  ascending; at most MAX of them. Returns how many were written to OUT. */
size_t mlx_sysfile_numbers(unsigned *out, size_t max, const char *prefix, const char *suffix,
                           const char *fmt, ...) MLX_PRINTF(5, 6);

/*  The value in the line of TEXT that begins with KEY, blanks or none, the byte SEPARATOR and
 *  blanks or none; it ends with the line. NULL when there is no such line. */
const char *mlx_sysfile_find(const char *text, const char *key, char separator);

/*  Copy the value of KEY in the uevent text TEXT ("KEY=value" lines); "" when it is not there or
 *  does not fit. */
void mlx_sysfile_copy(char *out, size_t size, const char *text, const char *key);

/*  Parse a whole number (optional minus, decimal digits) or a plain decimal (12.34; no exponent, no
 *  locale) at *TEXT, skipping blanks before it, and move *TEXT behind it. False leaves *TEXT. */
bool mlx_sysfile_parse_int(const char **text, int64_t *out);
bool mlx_sysfile_parse_real(const char **text, double *out);

#endif
