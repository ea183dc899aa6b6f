/*  message.h - one message of the bus: topic and envelope
 *
 *  On the wire a message is two frames: the topic, then one msgpack map with the keys
 *      v     catalogue major version (int)
 *      host  machine it comes from (string that mlx_name_valid takes)
 *      src   who published it (the same)
 *      boot  random id of this run of the source (the same, at most 64 bytes)
 *      seq   number of the message within that run (int, 1 to MLX_SEQ_MAX)
 *      t     wall clock, microseconds since 1970 (int, 0 to MLX_TIME_MAX_US)
 *      d     the data (map; see the catalogue)
 */
#ifndef MLX_PROTO_MESSAGE_H
#define MLX_PROTO_MESSAGE_H

#include "proto/buf.h"
#include "proto/error.h"
#include "proto/value.h"

#define MLX_SEQ_MAX ((int64_t)1 << 53)
#define MLX_TIME_MAX_US ((int64_t)253402300800 * 1000000) /* the end of the year 9999 */

enum {
    MLX_BOOT_MAX = 64
}; /* bytes of a boot */

typedef struct {
    char *topic;
    char *host;
    char *src;
    char *boot;
    int64_t seq;
    int64_t t;      /* microseconds since the epoch */
    mlx_value_t *d; /* a map */
    size_t dropped; /* fields that the catalogue contradicts: not in D */
} mlx_message_t;

/*  Append the body frame of MESSAGE (everything but the topic) to BUF. */
void mlx_message_pack(const mlx_message_t *message, mlx_buf_t *buf);

/*  Are the numbers of an envelope within their bounds? */
bool mlx_message_bounded(int64_t seq, int64_t t);

/*  Read two frames. 0 and *MESSAGE filled (caller must clear it), or -1 with ERR: bad topic,
 *  malformed body, another major version, or an envelope key that is absent or of the wrong type.
 *  Fields that the catalogue contradicts are dropped and counted. */
int mlx_message_unpack(mlx_message_t *message, const void *topic, size_t topic_len,
                       const void *body, size_t body_len, mlx_error_t *err);

/*  The reverse of mlx_message_value, for trees that came out of a command's reply. 0 and *MESSAGE
 *  filled (caller must clear it), or -1 with ERR. */
int mlx_message_from_value(mlx_message_t *message, const mlx_value_t *value, mlx_error_t *err);

/*  Free what the message holds. Fit for MLX_CLEANUP. */
void mlx_message_clear(mlx_message_t *message);

/*  The whole message as one tree: {topic, host, src, boot, seq, t, d}, as `mlxctl watch` prints it.
 *  Caller owns it and must destroy it. */
mlx_value_t *mlx_message_value(const mlx_message_t *message);

#endif
