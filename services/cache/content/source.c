#include "services/cache/content/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WINDOW = 256 * 1024,
    WORD_MAX = 256
};

mlx_source_t mlx_source_fd(int fd, uint64_t size)
{
    return (mlx_source_t){.fd = fd, .size = size};
}

mlx_source_t mlx_source_memory(const void *memory, size_t len)
{
    return (mlx_source_t){.fd = -1, .memory = memory, .size = len};
}

mlx_source_t mlx_source_part(const mlx_source_t *self, uint64_t at, uint64_t size)
{
    mlx_source_t part = *self;
    uint64_t skipped = at < self->size ? at : self->size;
    part.from += skipped;
    part.size = size < self->size - skipped ? size : self->size - skipped;
    return part;
}

static size_t read_fd(const mlx_source_t *self, uint64_t at, char *out, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t got = pread(self->fd, out + done, len - done, (off_t)(self->from + at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return done;
}

size_t mlx_source_read(const mlx_source_t *self, uint64_t at, void *out, size_t len)
{
    if (at >= self->size)
        return 0;
    size_t size = len < self->size - at ? len : (size_t)(self->size - at);
    if (!self->memory)
        return read_fd(self, at, out, size);
    memcpy(out, self->memory + self->from + at, size);
    return size;
}

bool mlx_source_has(const mlx_source_t *self, uint64_t at, const void *mark, size_t len)
{
    char bytes[WORD_MAX];
    return len <= sizeof bytes && mlx_source_read(self, at, bytes, len) == len &&
           memcmp(bytes, mark, len) == 0;
}

uint64_t mlx_source_find(const mlx_source_t *self, const void *word, size_t len)
{
    MLX_CLEANUP(mlx_free_p) char *window = mlx_alloc(1, WINDOW);
    if (!len || len > WORD_MAX)
        return UINT64_MAX;
    for (uint64_t at = 0; at + len <= self->size; at += WINDOW - len + 1) {
        size_t got = mlx_source_read(self, at, window, WINDOW);
        const char *hit = got >= len ? memmem(window, got, word, len) : NULL;
        if (hit)
            return at + (uint64_t)(hit - window);
        if (got < WINDOW)
            break;
    }
    return UINT64_MAX;
}

char *mlx_source_text(const mlx_source_t *self, size_t max, size_t *len)
{
    if (self->size > max)
        return NULL;
    char *text = mlx_alloc(1, (size_t)self->size + 1);
    size_t got = mlx_source_read(self, 0, text, (size_t)self->size);
    if (got != self->size) {
        free(text);
        return NULL;
    }
    *len = got;
    return text;
}

uint64_t mlx_little(const unsigned char *bytes, size_t len)
{
    uint64_t value = 0;
    for (size_t i = len; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}
