/*  recording.h - messages of the bus in a file: what `mlxctl record` writes, `mlxctl replay` reads
 *
 *  The file is one gzip stream (RFC 1952): zcat and any language's gzip open it. Inside it are
 *
 *      "MLXREC1\n"                 8 bytes: the format and its version
 *      record, record, ...
 *
 *  and each record is, numbers in little endian,
 *
 *      at      8 bytes   microseconds since the recording began; never falls
 *      topic   2 bytes   length of the topic, at most 192; 0: this is not a message
 *      body    4 bytes   length of the body, at most 1 MiB
 *      topic, body       the two frames of a message, byte for byte as proto/message.h has them
 *
 *  The first record has no topic; its body is the head, a msgpack map:
 *
 *      started    int      wall clock at which it began, microseconds since 1970
 *      host       string   the machine that recorded, as the messages in the file name it
 *      masked     bool     names of hosts, users and programs are "host-1", "user-1", "program-1"
 *      note       string   what a person should know of it; may be absent
 *      program    string   version of what wrote it
 *
 *  Readers ignore other keys. A record without topic and body is the end. A file that has no end
 *  was cut off (a crash, a full disk): what is whole in it is good.
 *
 *      mlx_recording_t *recording = mlx_recording_open("slow.mlxrec", &err);
 *      mlx_recorded_t record;
 *      while (recording && mlx_recording_next(recording, &record, &err) == 1)
 *          ...record.topic, record.body...
 *      mlx_recording_close(&recording);
 */
#ifndef MLX_COMMON_BASE_RECORDING_H
#define MLX_COMMON_BASE_RECORDING_H

#include "proto/error.h"
#include "proto/value.h"

enum {
    MLX_RECORDING_TOPIC_MAX = 192,
    MLX_RECORDING_BODY_MAX = 1024 * 1024
};

#define MLX_RECORDING_LONGEST_US ((int64_t)366 * 86400 * 1000000)

typedef struct mlx_recording mlx_recording_t;
typedef struct mlx_recording_writer mlx_recording_writer_t;

/*  Everything borrowed until the next call. */
typedef struct {
    int64_t at_us;
    const char *topic; /* terminated, well formed (mlx_topic_valid) */
    size_t topic_len;
    const void *body; /* msgpack, not looked at yet */
    size_t body_len;
} mlx_recorded_t;

/*  Open the regular file PATH and read its head. Caller owns it and must close it. NULL with ERR:
 *  not_found, or usage when it is not a recording. */
mlx_recording_t *mlx_recording_open(const char *path, mlx_error_t *err);

/*  The same of the descriptor FD, which is consumed in either case. NAME is for messages. */
mlx_recording_t *mlx_recording_open_fd(int fd, const char *name, mlx_error_t *err);
void mlx_recording_close(mlx_recording_t **self);

/*  The head. Borrowed. */
const mlx_value_t *mlx_recording_head(const mlx_recording_t *self);

/*  The next message: 1 and *RECORD filled; 0 at the end; -1 with ERR (usage) where the file is
 *  damaged: nothing behind that place can be trusted. */
int mlx_recording_next(mlx_recording_t *self, mlx_recorded_t *record, mlx_error_t *err);

/*  After a 0: was the file cut off before its end? */
bool mlx_recording_cut(const mlx_recording_t *self);

/*  Start the new file PATH (mode 0600: it tells what a machine does) with HEAD (borrowed). Caller
 *  owns it and must close it. NULL with ERR: data_loss when the file is there already. */
mlx_recording_writer_t *mlx_recording_create(const char *path, const mlx_value_t *head,
                                             mlx_error_t *err);

/*  Add one message that was heard AT_US after the beginning; an earlier time than that of the last
 *  one counts as the same. 0, or -1 with ERR: out of bounds (usage) or not written (failed). */
int mlx_recording_add(mlx_recording_writer_t *self, const mlx_recorded_t *record, mlx_error_t *err);

/*  Have the file readable up to here, whatever happens next. 0, or -1 with ERR. */
int mlx_recording_sync(mlx_recording_writer_t *self, mlx_error_t *err);

/*  Write the end and close. 0, or -1 with ERR: the file is not whole. *SELF is reset. */
int mlx_recording_finish(mlx_recording_writer_t **self, mlx_error_t *err);

#endif
