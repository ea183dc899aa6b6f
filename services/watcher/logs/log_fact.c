#include "log_fact.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double COUNT_MAX = 1e12; /* more is neither a count of tokens nor a time */

void mlx_log_fact_clear(mlx_log_fact_t *self)
{
    *self = (mlx_log_fact_t){
        .slot = -1,
        .task = -1,
        .done = NAN,
        .total = NAN,
        .cached = NAN,
        .tokens = NAN,
        .seconds = NAN,
        .rate = NAN,
        .prompt = NAN,
        .drafted = NAN,
        .accepted = NAN,
        .held = NAN,
    };
}

/*  Digits with a point at most: no sign, no exponent, no words. */
static const char *number(const char *text, double *out)
{
    size_t len = strspn(text, "0123456789.");
    char *end;
    double value = len > 0 && len < 32 && isdigit((unsigned char)*text) ? strtod(text, &end) : NAN;
    if (!(value >= 0 && value < COUNT_MAX))
        return NULL;
    if (out)
        *out = value;
    return end;
}

const char *mlx_log_match(const char *text, const char *pattern, double *const *out)
{
    for (; *pattern && text; pattern++) {
        if (*pattern == ' ') {
            text += strspn(text, " ");
        } else if (*pattern == '#') {
            text = number(text, *out);
            out++;
        } else {
            text = *text == *pattern ? text + 1 : NULL;
        }
    }
    return text;
}

const char *mlx_log_api(const char *path)
{
    static const struct {
        const char *path, *api;
    } known[] = {
        {"/api/generate", "generate"},
        {"/api/chat", "chat"},
        {"/v1/chat/completions", "chat_completions"},
        {"/v1/completions", "completions"},
        {"/v1/responses", "responses"},
        {"/v1/messages", "messages"},
        {"/api/embed", "embeddings"},
        {"/api/embeddings", "embeddings"},
        {"/v1/embeddings", "embeddings"},
    };
    for (size_t i = 0; i < MLX_COUNT(known); i++)
        if (!strcmp(path, known[i].path))
            return known[i].api;
    return NULL;
}

void mlx_log_name(char out[MLX_LOG_NAME_MAX], const char *name, size_t len)
{
    bool path = len > 0 && (name[0] == '/' || (len > 5 && !memcmp(name + len - 5, ".gguf", 5)));
    for (size_t i = len; path && i-- > 0;)
        if (name[i] == '/') {
            len -= i + 1;
            name += i + 1;
            break;
        }
    if (len >= MLX_LOG_NAME_MAX)
        len = 0;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            len = 0;
    memcpy(out, name, len);
    out[len] = '\0';
}
