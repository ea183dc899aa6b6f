#include "common/base/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "proto/catalogue.h"
#include "proto/pack.h"

enum {
    HEADER_BYTES = 14, /* of a record */
    MAGIC_BYTES = 8,
    HEAD_MAX = 65536,
    GZIP_BUFFER = 65536
};

static const char magic[MAGIC_BYTES + 1] = "MLXREC1\n";

struct mlx_recording {
    gzFile file;
    char *name;
    mlx_value_t *head;
    int64_t at_us;
    bool ended, cut;
    char topic[MLX_RECORDING_TOPIC_MAX + 1];
    unsigned char *body;
};

struct mlx_recording_writer {
    gzFile file;
    char *name;
    int64_t at_us;
};

static uint64_t get_number(const unsigned char *p, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | p[i];
    return value;
}

static void put_number(unsigned char *p, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++, value >>= 8)
        p[i] = (unsigned char)(value & 0xff);
}

/*  Reading. */

static int damaged(const mlx_recording_t *self, mlx_error_t *err, const char *what)
{
    return mlx_error_set(err, MLX_ERR_USAGE, "recording %s: damaged: %s", self->name, what);
}

/*  Exactly LEN bytes: 1; 0 when the file ends before them; -1 with ERR. */
static int take(mlx_recording_t *self, void *out, size_t len, mlx_error_t *err)
{
    int code = Z_OK;
    int got = gzread(self->file, out, (unsigned)len);
    if (got >= 0 && (size_t)got == len)
        return 1;
    (void)gzerror(self->file, &code);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
        return damaged(self, err, "its gzip stream is corrupt");
    self->cut = true;
    self->ended = true;
    return 0;
}

/*  The next record of whatever kind, into RECORD. */
static int take_record(mlx_recording_t *self, mlx_recorded_t *record, mlx_error_t *err)
{
    unsigned char header[HEADER_BYTES];
    int rc = take(self, header, sizeof header, err);
    if (rc <= 0)
        return rc;
    uint64_t at = get_number(header, 8), topic = get_number(header + 8, 2);
    uint64_t body = get_number(header + 10, 4);
    if (at > (uint64_t)MLX_RECORDING_LONGEST_US || (int64_t)at < self->at_us)
        return damaged(self, err, "a time is out of bounds");
    if (topic > MLX_RECORDING_TOPIC_MAX || body > MLX_RECORDING_BODY_MAX)
        return damaged(self, err, "a record is larger than any message");
    if ((topic && (rc = take(self, self->topic, (size_t)topic, err)) <= 0) ||
        (body && (rc = take(self, self->body, (size_t)body, err)) <= 0))
        return rc;
    self->topic[topic] = '\0';
    self->at_us = (int64_t)at;
    *record = (mlx_recorded_t){.at_us = (int64_t)at,
                               .topic = self->topic,
                               .topic_len = (size_t)topic,
                               .body = self->body,
                               .body_len = (size_t)body};
    return 1;
}

static int read_head(mlx_recording_t *self, mlx_error_t *err)
{
    char start[MAGIC_BYTES] = "";
    mlx_recorded_t record = {0};
    mlx_error_t problem = {0};
    int rc = take(self, start, sizeof start, &problem);
    if (rc > 0 && memcmp(start, magic, sizeof start) == 0)
        rc = take_record(self, &record, &problem);
    else
        rc = 0;
    if (rc > 0 && !record.topic_len && record.body_len <= HEAD_MAX)
        self->head = mlx_unpack(record.body, record.body_len, NULL);
    if (mlx_value_type(self->head) == MLX_MAP)
        return 0;
    mlx_error_set(err, MLX_ERR_USAGE, "%s is not a recording", self->name);
    return mlx_error_hint(err, "`mlxctl record FILE` makes one");
}

mlx_recording_t *mlx_recording_open_fd(int fd, const char *name, mlx_error_t *err)
{
    mlx_recording_t *self = mlx_alloc(1, sizeof *self);
    self->name = mlx_strdup(name);
    self->body = mlx_alloc(MLX_RECORDING_BODY_MAX, 1);
    self->file = gzdopen(fd, "rb");
    if (!self->file) {
        mlx_close_p(&fd);
        mlx_error_set(err, MLX_ERR_FAILED, "recording %s: zlib cannot open it", name);
        mlx_recording_close(&self);
        return NULL;
    }
    (void)gzbuffer(self->file, GZIP_BUFFER);
    if (read_head(self, err))
        mlx_recording_close(&self);
    return self;
}

mlx_recording_t *mlx_recording_open(const char *path, mlx_error_t *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st)) {
        mlx_code_t code = errno == ENOENT ? MLX_ERR_NOT_FOUND : MLX_ERR_FAILED;
        mlx_error_set(err, code, "recording %s: %s", path, strerror(errno));
        mlx_close_p(&fd);
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        mlx_close_p(&fd);
        mlx_error_set(err, MLX_ERR_USAGE, "recording %s is not a regular file", path);
        return NULL;
    }
    return mlx_recording_open_fd(fd, path, err);
}

void mlx_recording_close(mlx_recording_t **self)
{
    if (!*self)
        return;
    if ((*self)->file)
        (void)gzclose((*self)->file);
    mlx_value_destroy(&(*self)->head);
    free((*self)->body);
    free((*self)->name);
    mlx_free_p(self);
}

const mlx_value_t *mlx_recording_head(const mlx_recording_t *self)
{
    return self->head;
}

bool mlx_recording_cut(const mlx_recording_t *self)
{
    return self->cut;
}

int mlx_recording_next(mlx_recording_t *self, mlx_recorded_t *record, mlx_error_t *err)
{
    while (!self->ended) {
        int rc = take_record(self, record, err);
        if (rc <= 0)
            return rc;
        if (record->topic_len && !mlx_topic_valid(record->topic, record->topic_len))
            return damaged(self, err, "a topic is not valid");
        if (record->topic_len)
            return 1;
        self->ended = record->body_len == 0; /* other kinds may come with later versions */
    }
    return 0;
}

/*  Writing. */

static int put(mlx_recording_writer_t *self, const void *data, size_t len, mlx_error_t *err)
{
    if (len == 0 || gzwrite(self->file, data, (unsigned)len) == (int)len)
        return 0;
    int code = Z_OK;
    const char *why = gzerror(self->file, &code);
    return mlx_error_set(err, MLX_ERR_FAILED, "recording %s: %s", self->name,
                         code == Z_ERRNO ? strerror(errno) : why);
}

static int put_record(mlx_recording_writer_t *self, const mlx_recorded_t *record, mlx_error_t *err)
{
    unsigned char header[HEADER_BYTES];
    put_number(header, (uint64_t)record->at_us, 8);
    put_number(header + 8, record->topic_len, 2);
    put_number(header + 10, record->body_len, 4);
    if (put(self, header, sizeof header, err) || put(self, record->topic, record->topic_len, err))
        return -1;
    return put(self, record->body, record->body_len, err);
}

static int start(mlx_recording_writer_t *self, const mlx_value_t *head, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    mlx_pack(&body, head);
    mlx_recorded_t record = {.body = body.data, .body_len = body.len};
    if (body.len > HEAD_MAX)
        return mlx_error_set(err, MLX_ERR_USAGE, "recording %s: its header is too long",
                             self->name);
    if (put(self, magic, MAGIC_BYTES, err) || put_record(self, &record, err))
        return -1;
    return mlx_recording_sync(self, err);
}

mlx_recording_writer_t *mlx_recording_create(const char *path, const mlx_value_t *head,
                                             mlx_error_t *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        mlx_code_t code = errno == EEXIST ? MLX_ERR_DATA_LOSS : MLX_ERR_FAILED;
        mlx_error_set(err, code, "recording %s: %s", path, strerror(errno));
        return NULL;
    }
    mlx_recording_writer_t *self = mlx_alloc(1, sizeof *self);
    self->name = mlx_strdup(path);
    self->file = gzdopen(fd, "wb");
    if (!self->file)
        mlx_panic("zlib cannot open %s", path);
    if (start(self, head, err) == 0)
        return self;
    mlx_recording_finish(&self, NULL);
    (void)unlink(path);
    return NULL;
}

int mlx_recording_add(mlx_recording_writer_t *self, const mlx_recorded_t *record, mlx_error_t *err)
{
    mlx_recorded_t bounded = *record;
    if (bounded.at_us < self->at_us)
        bounded.at_us = self->at_us;
    if (bounded.at_us > MLX_RECORDING_LONGEST_US || bounded.body_len > MLX_RECORDING_BODY_MAX ||
        !mlx_topic_valid(bounded.topic, bounded.topic_len))
        return mlx_error_set(err, MLX_ERR_USAGE, "recording %s: a message is out of bounds",
                             self->name);
    self->at_us = bounded.at_us;
    return put_record(self, &bounded, err);
}

int mlx_recording_sync(mlx_recording_writer_t *self, mlx_error_t *err)
{
    if (gzflush(self->file, Z_SYNC_FLUSH) == Z_OK)
        return 0;
    return mlx_error_set(err, MLX_ERR_FAILED, "recording %s: %s", self->name, strerror(errno));
}

int mlx_recording_finish(mlx_recording_writer_t **self_p, mlx_error_t *err)
{
    mlx_recording_writer_t *self = *self_p;
    mlx_recorded_t end = {.at_us = self->at_us};
    int rc = put_record(self, &end, err);
    if (gzclose(self->file) != Z_OK && rc == 0)
        rc = mlx_error_set(err, MLX_ERR_FAILED, "recording %s: %s", self->name, strerror(errno));
    free(self->name);
    mlx_free_p(self_p);
    return rc;
}
