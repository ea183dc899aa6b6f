#include "tests/double/words.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/json.h"

enum {
    MAX_WORDS = 64,
    MAX_IDS = 128,
    RECORDED_TOKENS = 24
};

typedef struct {
    char *words[MAX_WORDS];
    size_t count;
} set_t;

struct mlx_words {
    set_t sets[MLX_WORDS_SETS];
    int64_t ids[MAX_IDS];
    size_t id_count;
};

/*  The text that a parsed stream object carries, in whichever of the three shapes. */
static const char *text_of(const mlx_value_t *object)
{
    const char *text = mlx_value_str(object, "response");
    if (!text)
        text = mlx_value_str(mlx_value_get(object, "message"), "content");
    const mlx_value_t *choice = mlx_value_at(mlx_value_get(object, "choices"), 0);
    return text ? text : mlx_value_str(mlx_value_get(choice, "delta"), "content");
}

static void read_ids(mlx_words_t *self, const mlx_value_t *context)
{
    for (size_t i = 0; i < mlx_value_size(context) && i < MAX_IDS; i++) {
        if (mlx_value_as_int(mlx_value_at(context, i), &self->ids[self->id_count]))
            self->id_count++;
    }
}

static void read_line(mlx_words_t *self, set_t *set, const char *line, size_t len)
{
    if (len > 6 && memcmp(line, "data: ", 6) == 0) {
        line += 6;
        len -= 6;
    }
    if (len == 0 || *line != '{')
        return;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *object = mlx_json_parse(line, len, &err);
    if (!object)
        mlx_panic("a recording does not parse: %s", err.text);
    const char *text = text_of(object);
    if (text && *text && set->count < MAX_WORDS)
        set->words[set->count++] = mlx_strdup(text);
    read_ids(self, mlx_value_get(object, "context"));
}

static void read_recording(mlx_words_t *self, mlx_set_t which, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        read_line(self, &self->sets[which], text, len);
        text += len + (text[len] == '\n');
    }
    if (self->sets[which].count == 0)
        mlx_panic("recording %d holds no text", (int)which);
}

mlx_words_t *mlx_words_new(void)
{
    mlx_words_t *self = mlx_alloc(1, sizeof(*self));
    read_recording(self, MLX_WORDS_GENERATE, mlx_rec_generate);
    read_recording(self, MLX_WORDS_CHAT, mlx_rec_chat);
    read_recording(self, MLX_WORDS_V1_CHAT, mlx_rec_v1_chat);
    if (self->id_count <= RECORDED_TOKENS)
        mlx_panic("the recorded generation has no context");
    return self;
}

void mlx_words_destroy(mlx_words_t **self)
{
    if (!*self)
        return;
    for (size_t i = 0; i < MLX_WORDS_SETS; i++) {
        for (size_t k = 0; k < (*self)->sets[i].count; k++)
            free((*self)->sets[i].words[k]);
    }
    free(*self);
    *self = NULL;
}

const char *mlx_words_at(const mlx_words_t *self, mlx_set_t set, int64_t index)
{
    return self->sets[set].words[(size_t)index % self->sets[set].count];
}

void mlx_words_context(const mlx_words_t *self, mlx_buf_t *out, int64_t count)
{
    size_t prompt = self->id_count - RECORDED_TOKENS;
    mlx_buf_putc(out, '[');
    for (size_t i = 0; i < prompt + (size_t)count; i++) {
        size_t at = i < prompt ? i : prompt + (i - prompt) % RECORDED_TOKENS;
        mlx_buf_printf(out, "%s%lld", i ? "," : "", (long long)self->ids[at]);
    }
    mlx_buf_putc(out, ']');
}

void mlx_words_time(mlx_buf_t *out, uint64_t wall)
{
    time_t seconds = (time_t)(wall / 1000000000ULL);
    struct tm tm;
    char text[32];
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    mlx_buf_puts(out, text);
    int digits = 9;
    unsigned long long fraction = wall % 1000000000ULL;
    while (fraction && fraction % 10 == 0) {
        fraction /= 10;
        digits--;
    }
    if (fraction)
        mlx_buf_printf(out, ".%0*llu", digits, fraction);
    mlx_buf_putc(out, 'Z');
}

void mlx_words_replace(mlx_buf_t *out, const char *text, const char *old, const char *new)
{
    const char *at;
    while ((at = strstr(text, old))) {
        mlx_buf_append(out, text, (size_t)(at - text));
        mlx_buf_puts(out, new);
        text = at + strlen(old);
    }
    mlx_buf_puts(out, text);
}
