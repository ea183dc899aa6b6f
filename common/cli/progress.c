#include "common/cli/progress.h"

#include "common/base/clock.h"
#include "common/base/throughput.h"
#include "common/base/units.h"
#include "proto/buf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    REDRAW_US = 100000,
    NARROWEST_BAR = 8,
    WIDEST_BAR = 40,
};

/*  Seconds over which the speed is averaged: short enough to follow, long enough to be read. */
static const double smoothing_s = 3;

struct mlx_progress {
    char *label;
    int64_t total;
    int64_t start;
    int64_t done;
    int fd;
    mlx_term_t term;
    int64_t (*now_us)(void);
    int64_t started_us;
    int64_t drawn_us;
    mlx_throughput_t flow;
    double told_speed;
    double told_left_s;
    bool drawn;
};

mlx_progress_t *mlx_progress_new(const mlx_progress_options_t *options)
{
    mlx_progress_t *self = mlx_alloc(1, sizeof *self);
    self->label = mlx_term_clean(options->label, 0);
    self->total = options->total;
    self->start = self->done = options->start;
    self->fd = options->fd;
    self->term = *options->term;
    self->now_us = options->now_us ? options->now_us : mlx_now_us;
    self->started_us = self->drawn_us = self->now_us();
    self->flow.smooth_s = smoothing_s;
    mlx_throughput_note(&self->flow, self->started_us, (uint64_t)self->start);
    self->told_speed = self->told_left_s = (double)NAN;
    return self;
}

static void put_unit(mlx_buf_t *out, double value, mlx_unit_t unit)
{
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(value, unit);
    mlx_buf_puts(out, text);
}

/*  "2.1 GB of 4.7 GB  85.3 MB/s  30s left" */
static void put_figures(const mlx_progress_t *self, mlx_buf_t *out)
{
    put_unit(out, (double)self->done, MLX_UNIT_BYTES);
    if (self->total > 0) {
        mlx_buf_puts(out, " of ");
        put_unit(out, (double)self->total, MLX_UNIT_BYTES);
    }
    double speed =
        isfinite(self->told_speed) ? self->told_speed : mlx_throughput_speed(&self->flow);
    if (!isfinite(speed))
        return;
    mlx_buf_puts(out, "  ");
    put_unit(out, speed, MLX_UNIT_BYTES);
    mlx_buf_puts(out, "/s");
    double left_s = isfinite(self->told_left_s) ? self->told_left_s
                                                : (double)(self->total - self->done) / speed;
    if (self->total > self->done && speed >= 1) {
        mlx_buf_puts(out, "  ");
        put_unit(out, left_s, MLX_UNIT_SECONDS);
        mlx_buf_puts(out, " left");
    }
}

static double ratio(const mlx_progress_t *self)
{
    double part = (double)self->done / (double)self->total;
    return part < 0 ? 0 : part > 1 ? 1 : part;
}

static void put_bar(const mlx_progress_t *self, mlx_buf_t *out, size_t width)
{
    size_t full = (size_t)(ratio(self) * (double)width);
    mlx_buf_putc(out, '[');
    for (size_t i = 0; i < width; i++)
        mlx_buf_putc(out, i < full ? '=' : i == full ? '>' : ' ');
    mlx_buf_puts(out, "]  ");
}

static void put_line(const mlx_progress_t *self, mlx_buf_t *out)
{
    /* The last column stays free: some terminals wrap when it is written. */
    size_t columns = (size_t)self->term.columns - 1;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t figures = {0};
    put_figures(self, &figures);
    size_t fixed = figures.len + 2 + (self->total > 0 ? strlen("100%  ") : 0);
    size_t room = columns > fixed ? columns - fixed : 1;
    MLX_CLEANUP(mlx_free_p) char *label = mlx_term_clean(self->label, room);
    size_t used = fixed + mlx_term_width(label);
    size_t bar = columns > used + 4 ? columns - used - 4 : 0;
    mlx_buf_printf(out, "%s  ", label);
    if (self->total > 0) {
        mlx_buf_printf(out, "%3.0f%%  ", floor(ratio(self) * 100));
        if (bar >= NARROWEST_BAR)
            put_bar(self, out, bar < WIDEST_BAR ? bar : WIDEST_BAR);
    }
    mlx_buf_append(out, mlx_buf_str(&figures), figures.len);
}

static void write_all(int fd, const mlx_buf_t *text)
{
    for (size_t done = 0; done < text->len;) {
        ssize_t written = write(fd, text->data + done, text->len - done);
        if (written <= 0)
            return;
        done += (size_t)written;
    }
}

static void draw(mlx_progress_t *self)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t line = {0};
    mlx_buf_puts(&line, "\r");
    put_line(self, &line);
    mlx_buf_puts(&line, "\033[K");
    write_all(self->fd, &line);
    self->drawn = true;
}

void mlx_progress_update(mlx_progress_t *self, int64_t done)
{
    self->done = done;
    int64_t now_us = self->now_us();
    if (!self->term.tty || now_us - self->drawn_us < REDRAW_US)
        return;
    self->drawn_us = now_us;
    mlx_throughput_note(&self->flow, now_us, (uint64_t)done);
    draw(self);
}

void mlx_progress_told(mlx_progress_t *self, double speed, double left_s)
{
    self->told_speed = speed;
    self->told_left_s = left_s;
}

static void say_end(const mlx_progress_t *self)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t line = {0};
    double seconds = (double)(self->now_us() - self->started_us) / 1e6;
    mlx_buf_printf(&line, "%s  ", self->label);
    put_unit(&line, (double)self->done, MLX_UNIT_BYTES);
    mlx_buf_puts(&line, " in ");
    put_unit(&line, seconds, MLX_UNIT_SECONDS);
    if (seconds > 0 && self->done > self->start) {
        mlx_buf_puts(&line, "  ");
        put_unit(&line, (double)(self->done - self->start) / seconds, MLX_UNIT_BYTES);
        mlx_buf_puts(&line, "/s");
    }
    mlx_buf_putc(&line, '\n');
    write_all(self->fd, &line);
}

void mlx_progress_finish(mlx_progress_t **self_p, bool complete)
{
    mlx_progress_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    if (self->drawn)
        write_all(self->fd, &(mlx_buf_t){.data = (char[]){"\r\033[K"}, .len = 4});
    if (complete)
        say_end(self);
    free(self->label);
    free(self);
}
