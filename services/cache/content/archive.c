#include "services/cache/content/archive.h"

#include "proto/buf.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum {
    MEMBERS_MAX = 200000,
    END_BYTES = 22,
    END_SEARCH = END_BYTES + 65535,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    TAR_BLOCK = 512,
    INFLATE_STEP = 256 * 1024
};

#define ABSENT32 0xffffffffull

typedef struct {
    uint64_t count, at, size;
} directory_t;

/* ---- zip ---- */

/*  Where the end record is, or UINT64_MAX. */
static uint64_t find_end(const mlx_source_t *source)
{
    size_t span = source->size < END_SEARCH ? (size_t)source->size : END_SEARCH;
    if (span < END_BYTES)
        return UINT64_MAX;
    MLX_CLEANUP(mlx_free_p) unsigned char *tail = mlx_alloc(1, span);
    uint64_t from = source->size - span;
    if (mlx_source_read(source, from, tail, span) != span)
        return UINT64_MAX;
    for (size_t i = span - END_BYTES + 1; i-- > 0;)
        if (memcmp(tail + i, "PK\5\6", 4) == 0)
            return from + i;
    return UINT64_MAX;
}

static bool read_end64(const mlx_source_t *source, uint64_t end, directory_t *directory)
{
    unsigned char locator[LOCATOR_BYTES], record[END64_BYTES];
    if (end < LOCATOR_BYTES ||
        mlx_source_read(source, end - LOCATOR_BYTES, locator, sizeof locator) != sizeof locator ||
        memcmp(locator, "PK\6\7", 4) != 0)
        return false;
    uint64_t at = mlx_little(locator + 8, 8);
    if (mlx_source_read(source, at, record, sizeof record) != sizeof record ||
        memcmp(record, "PK\6\6", 4) != 0)
        return false;
    *directory = (directory_t){.count = mlx_little(record + 32, 8),
                               .size = mlx_little(record + 40, 8),
                               .at = mlx_little(record + 48, 8)};
    return true;
}

/*  *SHIFT: bytes before the archive, which its offsets do not count. */
static bool read_directory(const mlx_source_t *source, directory_t *directory, uint64_t *shift)
{
    unsigned char end[END_BYTES];
    uint64_t at = find_end(source);
    *shift = 0;
    if (at == UINT64_MAX || mlx_source_read(source, at, end, sizeof end) != sizeof end)
        return false;
    if (read_end64(source, at, directory))
        return true;
    *directory = (directory_t){.count = mlx_little(end + 10, 2),
                               .size = mlx_little(end + 12, 4),
                               .at = mlx_little(end + 16, 4)};
    if (directory->at + directory->size > at)
        return false;
    *shift = at - directory->size - directory->at;
    directory->at += *shift;
    return true;
}

/*  Sizes and place that do not fit 32 bits are in the extra field 1, in this order. */
static void widen(const unsigned char *extra, size_t len, uint64_t *values[3])
{
    for (size_t i = 0; i + 4 <= len;) {
        size_t size = (size_t)mlx_little(extra + i + 2, 2), used = 0;
        bool wide = mlx_little(extra + i, 2) == 1 && i + 4 + size <= len;
        for (size_t v = 0; wide && v < 3; v++)
            if (*values[v] == ABSENT32 && used + 8 <= size) {
                *values[v] = mlx_little(extra + i + 4 + used, 8);
                used += 8;
            }
        i += 4 + size;
    }
}

/*  The entry at *AT of the directory, with what its header before its bytes says. */
static bool read_entry(const mlx_source_t *source, uint64_t *at, uint64_t shift,
                       mlx_member_t *member)
{
    unsigned char entry[ENTRY_BYTES], local[LOCAL_BYTES];
    if (mlx_source_read(source, *at, entry, sizeof entry) != sizeof entry ||
        memcmp(entry, "PK\1\2", 4) != 0)
        return false;
    size_t name = (size_t)mlx_little(entry + 28, 2), extra = (size_t)mlx_little(entry + 30, 2);
    uint64_t method = mlx_little(entry + 10, 2);
    uint64_t packed = mlx_little(entry + 20, 4), size = mlx_little(entry + 24, 4);
    uint64_t place = mlx_little(entry + 42, 4);
    MLX_CLEANUP(mlx_free_p) unsigned char *more = mlx_alloc(1, name + extra + 1);
    if (mlx_source_read(source, *at + ENTRY_BYTES, more, name + extra) != name + extra)
        return false;
    widen(more + name, extra, (uint64_t *[3]){&size, &packed, &place});
    snprintf(member->name, sizeof member->name, "%.*s", (int)name, (const char *)more);
    *at += ENTRY_BYTES + name + extra + mlx_little(entry + 32, 2);
    place += shift;
    if (mlx_source_read(source, place, local, sizeof local) != sizeof local ||
        memcmp(local, "PK\3\4", 4) != 0)
        return false;
    uint64_t start = place + LOCAL_BYTES + mlx_little(local + 26, 2) + mlx_little(local + 28, 2);
    if (start > source->size || packed > source->size - start)
        return false;
    member->packed = mlx_source_part(source, start, packed);
    member->deflated = method == Z_DEFLATED;
    member->unreadable = method != 0 && method != Z_DEFLATED;
    return true;
}

static int walk_zip(const mlx_source_t *source, void (*each)(void *, const mlx_member_t *),
                    void *arg)
{
    directory_t directory;
    uint64_t shift;
    if (!read_directory(source, &directory, &shift) || directory.count > MEMBERS_MAX)
        return -1;
    uint64_t at = directory.at;
    for (uint64_t i = 0; i < directory.count; i++) {
        mlx_member_t member = {.deflated = false};
        if (!read_entry(source, &at, shift, &member))
            return -1;
        each(arg, &member);
    }
    return 0;
}

/* ---- tar ---- */

static uint64_t octal(const unsigned char *field, size_t len)
{
    uint64_t value = 0;
    if (field[0] & 0x80) { /* base 256 */
        value = field[0] & 0x3f;
        for (size_t i = 1; i < len; i++)
            value = value << 8 | field[i];
        return value;
    }
    for (size_t i = 0; i < len && field[i]; i++)
        if (field[i] >= '0' && field[i] <= '7')
            value = value << 3 | (uint64_t)(field[i] - '0');
    return value;
}

static bool is_tar_header(const unsigned char block[TAR_BLOCK])
{
    uint64_t sum = 0;
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : block[i];
    return block[0] && sum == octal(block + 148, 8);
}

static int walk_tar(const mlx_source_t *source, void (*each)(void *, const mlx_member_t *),
                    void *arg)
{
    unsigned char block[TAR_BLOCK];
    uint64_t at = 0;
    for (size_t i = 0; mlx_source_read(source, at, block, sizeof block) == sizeof block; i++) {
        if (!is_tar_header(block))
            return block[0] ? -1 : 0;
        uint64_t size = octal(block + 124, 12);
        if (i == MEMBERS_MAX || size > source->size - at - TAR_BLOCK)
            return -1;
        mlx_member_t member = {.packed = mlx_source_part(source, at + TAR_BLOCK, size)};
        snprintf(member.name, sizeof member.name, "%.100s", (const char *)block);
        each(arg, &member);
        at += TAR_BLOCK + (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
    }
    return 0;
}

/* ---- both ---- */

mlx_archive_t mlx_archive_kind(const mlx_source_t *source)
{
    unsigned char block[TAR_BLOCK];
    if (mlx_source_has(source, 0, "PK\3\4", 4) || mlx_source_has(source, 0, "PK\5\6", 4))
        return MLX_ARCHIVE_ZIP;
    if (mlx_source_read(source, 0, block, sizeof block) == sizeof block && is_tar_header(block))
        return MLX_ARCHIVE_TAR;
    directory_t directory;
    uint64_t shift;
    bool ends = read_directory(source, &directory, &shift) && directory.count > 0 &&
                mlx_source_has(source, directory.at, "PK\1\2", 4);
    return ends ? MLX_ARCHIVE_ZIP : MLX_ARCHIVE_NONE;
}

int mlx_archive_walk(const mlx_source_t *source,
                     void (*each)(void *arg, const mlx_member_t *member), void *arg)
{
    return mlx_archive_kind(source) == MLX_ARCHIVE_TAR ? walk_tar(source, each, arg)
                                                       : walk_zip(source, each, arg);
}

/*  Fill OUT; Z_OK when it is full before the end. */
static int inflate_into(z_stream *stream, const mlx_source_t *packed, mlx_buf_t *out, size_t max)
{
    MLX_CLEANUP(mlx_free_p) unsigned char *in = mlx_alloc(2, INFLATE_STEP);
    unsigned char *piece = in + INFLATE_STEP;
    uint64_t at = 0;
    int rc = Z_OK;
    while (rc == Z_OK && out->len < max) {
        if (!stream->avail_in) {
            size_t got = mlx_source_read(packed, at, in, INFLATE_STEP);
            stream->next_in = in;
            stream->avail_in = (uInt)got;
            at += got;
        }
        size_t room = max - out->len < INFLATE_STEP ? max - out->len : INFLATE_STEP;
        stream->next_out = piece;
        stream->avail_out = (uInt)room;
        rc = inflate(stream, Z_NO_FLUSH);
        mlx_buf_append(out, piece, room - stream->avail_out);
    }
    return rc;
}

char *mlx_member_inflate(const mlx_member_t *member, size_t max, size_t *len, bool *ended)
{
    z_stream stream = {0};
    mlx_buf_t out = {0};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return NULL;
    int rc = inflate_into(&stream, &member->packed, &out, max);
    inflateEnd(&stream);
    *ended = rc == Z_STREAM_END;
    *len = out.len;
    mlx_buf_putc(&out, '\0');
    if (rc == Z_OK || rc == Z_STREAM_END)
        return mlx_buf_take(&out);
    mlx_buf_clear(&out);
    return NULL;
}
