#include "common/base/log.h"

#include "common/base/clock.h"
#include "common/base/moment.h"
#include "proto/json.h"
#include "proto/utf8.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_KINDS = 64,
    MAX_TEXT = 4096,
};

typedef struct {
    char *kind; /* NULL: free */
    mlx_log_level_t level;
    int64_t since_us;
    int64_t held_back;
} repeat_t;

struct mlx_log {
    char *name;
    mlx_log_level_t level;
    mlx_log_format_t format;
    int fd;
    int64_t (*wall_us)(void);
    pthread_mutex_t lock; /* guards repeats */
    repeat_t repeats[MAX_KINDS];
};

static const struct {
    const char *name;
    int priority; /* of syslog */
} levels[] = {
    [MLX_LOG_ERROR] = {"error", 3},
    [MLX_LOG_WARNING] = {"warning", 4},
    [MLX_LOG_INFO] = {"info", 6},
    [MLX_LOG_DEBUG] = {"debug", 7},
};

static const char *const formats[] = {
    [MLX_LOG_AUTO] = "auto",
    [MLX_LOG_PLAIN] = "plain",
    [MLX_LOG_JOURNAL] = "journal",
    [MLX_LOG_JSON] = "json",
};

static mlx_log_level_t level_of(const char *name)
{
    for (size_t i = 0; i < MLX_COUNT(levels); i++)
        if (strcmp(levels[i].name, name) == 0)
            return (mlx_log_level_t)i;
    mlx_panic("there is no log level \"%s\"", name);
}

static mlx_log_format_t format_of(const char *name)
{
    for (size_t i = 0; i < MLX_COUNT(formats); i++)
        if (strcmp(formats[i], name) == 0)
            return (mlx_log_format_t)i;
    mlx_panic("there is no log format \"%s\"", name);
}

/*  systemd names the device and inode of the journal's pipe, because a redirected stderr inherits
 *  the variable but not the journal. */
mlx_log_format_t mlx_log_detect(int fd, const mlx_env_t *env)
{
    const char *stream = mlx_env_get(env, "JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;
    if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2 || fstat(fd, &st) != 0)
        return MLX_LOG_PLAIN;
    bool same = (unsigned long long)st.st_dev == device && (unsigned long long)st.st_ino == inode;
    return same ? MLX_LOG_JOURNAL : MLX_LOG_PLAIN;
}

mlx_log_t *mlx_log_new(const mlx_log_options_t *options)
{
    mlx_log_t *self = mlx_alloc(1, sizeof *self);
    self->name = mlx_strdup(options->name);
    self->level = level_of(options->level ? options->level : "info");
    self->format = format_of(options->format ? options->format : "auto");
    self->fd = options->fd ? options->fd : STDERR_FILENO;
    self->wall_us = options->wall_us ? options->wall_us : mlx_wall_us;
    if (self->format == MLX_LOG_AUTO)
        self->format = mlx_log_detect(self->fd, options->env);
    pthread_mutex_init(&self->lock, NULL);
    return self;
}

static void put_escaped(mlx_buf_t *line, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0; p[i]; i++) {
        if (i >= MAX_TEXT) {
            mlx_buf_puts(line, "...");
            return;
        }
        size_t len = p[i] < 0x80 ? 1 : mlx_utf8_sequence(p + i, strlen(text + i));
        if (p[i] == '\n')
            mlx_buf_puts(line, "\\n");
        else if (len && mlx_utf8_plain(text + i, len))
            mlx_buf_append(line, text + i, len);
        else if (len > 1) /* terminal controls of two bytes, and what reorders text */
            mlx_buf_printf(line, "\\u%04x", mlx_utf8_code_point(p + i, len));
        else
            mlx_buf_printf(line, "\\x%02x", p[i]);
        i += len > 1 ? len - 1 : 0;
    }
}

/*  What a line says, beside the text. */
typedef struct {
    mlx_log_level_t level;
    const char *kind; /* may be NULL */
    int64_t repeats;  /* 0: an event of its own */
    int64_t wall_us;
} event_t;

static void put_json(const mlx_log_t *self, mlx_buf_t *line, const event_t *event, const char *text)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *map = mlx_value_map();
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t time_text = {0};
    mlx_moment_write(&time_text, event->wall_us);
    mlx_value_set_str(map, "time", mlx_buf_str(&time_text));
    mlx_value_set_str(map, "level", levels[event->level].name);
    mlx_value_set_str(map, "name", self->name);
    mlx_value_set_str(map, "kind", event->kind);
    if (event->repeats)
        mlx_value_set_int(map, "repeats", event->repeats);
    mlx_value_set_str(map, "text", text);
    mlx_json_write(line, map, false);
}

static void put_text(mlx_buf_t *line, const event_t *event, const char *text)
{
    if (event->kind) {
        put_escaped(line, event->kind);
        mlx_buf_puts(line, ": ");
    }
    put_escaped(line, text);
}

/*  One write per line, so that lines of several threads and processes do not mix. */
static void write_line(int fd, const mlx_buf_t *line)
{
    for (size_t done = 0; done < line->len;) {
        ssize_t written = write(fd, line->data + done, line->len - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        done += (size_t)written;
    }
}

static void emit(const mlx_log_t *self, const event_t *event, const char *text)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t line = {0};
    switch (self->format) {
    case MLX_LOG_JSON:
        put_json(self, &line, event, text);
        break;
    case MLX_LOG_JOURNAL:
        mlx_buf_printf(&line, "<%d>", levels[event->level].priority);
        put_text(&line, event, text);
        break;
    case MLX_LOG_PLAIN:
    case MLX_LOG_AUTO:
        mlx_moment_write(&line, event->wall_us);
        mlx_buf_printf(&line, " %s %s: ", levels[event->level].name, self->name);
        put_text(&line, event, text);
        break;
    }
    mlx_buf_putc(&line, '\n');
    write_line(self->fd, &line);
}

bool mlx_log_wants(const mlx_log_t *self, mlx_log_level_t level)
{
    return level <= self->level;
}

void mlx_log(mlx_log_t *self, mlx_log_level_t level, const char *fmt, ...)
{
    if (!mlx_log_wants(self, level))
        return;
    va_list args;
    va_start(args, fmt);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_vformat(fmt, args);
    va_end(args);
    emit(self, &(event_t){.level = level, .wall_us = self->wall_us()}, text);
}

static void close_repeat(const mlx_log_t *self, repeat_t *repeat, int64_t now_us)
{
    if (repeat->held_back) {
        MLX_CLEANUP(mlx_free_p)
        char *text = mlx_format("%lld more in %lld s", (long long)repeat->held_back,
                                (long long)((now_us - repeat->since_us) / 1000000));
        emit(self,
             &(event_t){.level = repeat->level,
                        .kind = repeat->kind,
                        .repeats = repeat->held_back,
                        .wall_us = now_us},
             text);
    }
    free(repeat->kind);
    *repeat = (repeat_t){0};
}

static bool is_over(const repeat_t *repeat, int64_t now_us)
{
    /* The wall clock may be set back: then the time counts as over too. */
    return repeat->kind && (now_us - repeat->since_us >= MLX_LOG_REPEAT_S * INT64_C(1000000) ||
                            now_us < repeat->since_us);
}

/*  The entry of KIND, a free one, or the oldest, emptied. */
static repeat_t *repeat_of(mlx_log_t *self, const char *kind, int64_t now_us)
{
    repeat_t *place = &self->repeats[0];
    for (size_t i = 0; i < MAX_KINDS; i++) {
        repeat_t *repeat = &self->repeats[i];
        if (repeat->kind && strcmp(repeat->kind, kind) == 0)
            return repeat;
        if (place->kind && (!repeat->kind || repeat->since_us < place->since_us))
            place = repeat;
    }
    if (place->kind)
        close_repeat(self, place, now_us);
    return place;
}

/*  Whether an event of KIND is to be written, not only counted. */
static bool is_first(mlx_log_t *self, mlx_log_level_t level, const char *kind, int64_t now_us)
{
    repeat_t *repeat = repeat_of(self, kind, now_us);
    if (is_over(repeat, now_us))
        close_repeat(self, repeat, now_us);
    if (repeat->kind) {
        repeat->held_back++;
        return false;
    }
    *repeat = (repeat_t){.kind = mlx_strdup(kind), .level = level, .since_us = now_us};
    return true;
}

void mlx_log_repeated(mlx_log_t *self, mlx_log_level_t level, const char *kind, const char *fmt,
                      ...)
{
    if (!mlx_log_wants(self, level))
        return;
    int64_t now_us = self->wall_us();
    pthread_mutex_lock(&self->lock);
    bool first = is_first(self, level, kind, now_us);
    pthread_mutex_unlock(&self->lock);
    if (!first)
        return;
    va_list args;
    va_start(args, fmt);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_vformat(fmt, args);
    va_end(args);
    emit(self, &(event_t){.level = level, .kind = kind, .wall_us = now_us}, text);
}

void mlx_log_sum_up(mlx_log_t *self)
{
    int64_t now_us = self->wall_us();
    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; i < MAX_KINDS; i++)
        if (is_over(&self->repeats[i], now_us))
            close_repeat(self, &self->repeats[i], now_us);
    pthread_mutex_unlock(&self->lock);
}

void mlx_log_destroy(mlx_log_t **self_p)
{
    mlx_log_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    int64_t now_us = self->wall_us();
    for (size_t i = 0; i < MAX_KINDS; i++)
        close_repeat(self, &self->repeats[i], now_us);
    pthread_mutex_destroy(&self->lock);
    free(self->name);
    free(self);
}
