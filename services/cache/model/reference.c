#include "services/cache/model/reference.h"

#include "services/cache/model/names.h"
#include "services/cache/model/weights.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- quantisations ---- */

/*  Length of the quantisation at S, or 0: Q4_K_M, IQ2_XXS, TQ1_0, F16, BF16, MXFP4. */
static size_t quant_length(const char *s)
{
    static const char *const starts[] = {"IQ", "TQ", "Q", "BF", "F", "MXFP", "NVFP"};
    size_t at = 0;
    for (size_t i = 0; i < MLX_COUNT(starts) && !at; i++) {
        size_t len = strlen(starts[i]);
        if (strncasecmp(s, starts[i], len) == 0 && isdigit((unsigned char)s[len]))
            at = len;
    }
    if (!at)
        return 0;
    at += strspn(s + at, "0123456789");
    while (s[at] == '_' && isalnum((unsigned char)s[at + 1]))
        for (at++; isalnum((unsigned char)s[at]);)
            at++;
    return at;
}

bool mlx_reference_is_quant(const char *word)
{
    if (strncasecmp(word, "UD-", 3) == 0)
        word += 3;
    size_t len = quant_length(word);
    return len && word[len] == '\0';
}

char *mlx_reference_quant_of(const char *path)
{
    for (const char *at = path + strlen(path); at > path;) {
        at--;
        if (at > path && !strchr("-./_", at[-1]))
            continue;
        size_t len = quant_length(at);
        if (!len || !strchr("-./", at[len]))
            continue;
        bool dynamic = at - path >= 3 && strncasecmp(at - 3, "UD-", 3) == 0;
        return dynamic ? mlx_strndup(at - 3, len + 3) : mlx_strndup(at, len);
    }
    return NULL;
}

/* ---- the hub ---- */

static int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/*  LEN bytes of a URL without their %xx. Caller owns it. */
static char *decode(const char *s, size_t len)
{
    char *out = mlx_strndup(s, len), *to = out;
    for (const char *from = out; *from; to++) {
        bool escaped =
            from[0] == '%' && isxdigit((unsigned char)from[1]) && isxdigit((unsigned char)from[2]);
        *to = escaped ? (char)(hex_digit(from[1]) * 16 + hex_digit(from[2])) : *from;
        from += escaped ? 3 : 1;
    }
    *to = '\0';
    return out;
}

/*  ":QUANT" and "@REV" in either order behind LEN bytes of TEXT. */
static void take_suffixes(const char *text, size_t len, mlx_reference_t *self)
{
    while (text[len] == ':' || text[len] == '@') {
        size_t end = len + 1 + strcspn(text + len + 1, ":@");
        char **slot = text[len] == ':' ? &self->quant : &self->revision;
        if (!*slot)
            *slot = mlx_strndup(text + len + 1, end - len - 1);
        len = end;
    }
}

/*  "org/name" with what follows it; a page's further path is read by take_page. */
static size_t take_repo(const char *text, mlx_reference_t *self)
{
    size_t len = strcspn(text, "/:@?#");
    if (text[len] == '/')
        len += 1 + strcspn(text + len + 1, "/:@?#");
    self->kind = MLX_REFERENCE_HUB;
    self->repo = mlx_strndup(text, len);
    take_suffixes(text, len, self);
    return len;
}

/*  "/tree/REV/folder", "/blob/REV/file", "/resolve/REV/file" behind the repository. A file that is
 *  no GGUF stands for its model. */
static void take_page(const char *text, mlx_reference_t *self)
{
    static const char *const kinds[] = {"/tree/", "/blob/", "/resolve/", "/raw/"};
    for (size_t i = 0; i < MLX_COUNT(kinds); i++) {
        size_t len = strlen(kinds[i]);
        if (strncmp(text, kinds[i], len) != 0)
            continue;
        const char *rev = text + len;
        size_t end = strcspn(rev, "/?#");
        self->revision = decode(rev, end);
        const char *rest = rev + end + (rev[end] == '/');
        MLX_CLEANUP(mlx_free_p) char *path = decode(rest, strcspn(rest, "?#"));
        size_t path_len = strlen(path);
        while (path_len && path[path_len - 1] == '/')
            path[--path_len] = '\0';
        if (i == 0 && *path)
            self->folder = mlx_strdup(path);
        else if (i > 0 && mlx_weights_format(path) == MLX_WEIGHTS_GGUF)
            self->quant = mlx_strdup(path);
        return;
    }
}

/*  What follows the hub's address in TEXT, or NULL. */
static const char *behind_hub(const char *text, const char *endpoint)
{
    static const char *const hosts[] = {"huggingface.co/", "hf.co/", "www.huggingface.co/"};
    size_t own = endpoint ? strlen(endpoint) : 0;
    while (own && endpoint[own - 1] == '/')
        own--;
    if (own && strncasecmp(text, endpoint, own) == 0 && text[own] == '/')
        return text + own + 1;
    if (strncasecmp(text, "hf://", 5) == 0)
        return text + (strncasecmp(text + 5, "models/", 7) == 0 ? 12 : 5);
    if (strncasecmp(text, "https://", 8) == 0)
        text += 8;
    else if (strncasecmp(text, "http://", 7) == 0)
        text += 7;
    for (size_t i = 0; i < MLX_COUNT(hosts); i++)
        if (strncasecmp(text, hosts[i], strlen(hosts[i])) == 0)
            return text + strlen(hosts[i]);
    return NULL;
}

/* ---- the rest ---- */

static bool is_path(const char *text)
{
    struct stat st;
    if (text[0] == '/' || strcmp(text, ".") == 0 || strcmp(text, "..") == 0 ||
        strncmp(text, "./", 2) == 0 || strncmp(text, "../", 3) == 0)
        return true;
    /* Deeper than a repository, or a file of weights whose name is nobody's repository. */
    const char *slash = strchr(text, '/');
    if (slash)
        return strchr(slash + 1, '/') && !strpbrk(text, ":") && access(text, F_OK) == 0;
    return mlx_weights_format(text) && stat(text, &st) == 0 && S_ISREG(st.st_mode);
}

/*  "org/name", with a revision or a quantisation; "user/name:tag" is Ollama's. */
static bool is_repo(const char *text, bool *or_ollama)
{
    const char *slash = strchr(text, '/'), *at = strchr(text, '@'), *colon = strchr(text, ':');
    const char *second = slash ? strchr(slash + 1, '/') : NULL;
    if (!slash || (at && at < slash) || (second && (!at || second < at)))
        return false;
    *or_ollama = colon && !at;
    return !colon || at || mlx_reference_is_quant(colon + 1);
}

int mlx_reference_parse(const char *text, const char *endpoint, mlx_reference_t *self,
                        mlx_error_t *err)
{
    *self = (mlx_reference_t){.kind = MLX_REFERENCE_OLLAMA};
    if (strncmp(text, "oci://", 6) == 0) {
        self->kind = MLX_REFERENCE_OCI;
        return 0;
    }
    const char *hub = behind_hub(text, endpoint);
    if (hub) {
        size_t len = take_repo(hub, self);
        if (!self->quant && !self->revision)
            take_page(hub + len, self);
        return 0;
    }
    if (strstr(text, "://")) {
        mlx_error_set(err, MLX_ERR_USAGE, "%.200s is not a page of the hub", text);
        return mlx_error_hint(err, "download it, then mlx-cache add ./FILE");
    }
    if (is_path(text))
        self->kind = MLX_REFERENCE_PATH;
    else if (is_repo(text, &self->or_ollama))
        take_repo(text, self);
    return 0;
}

void mlx_reference_clear(mlx_reference_t *self)
{
    free(self->repo);
    free(self->quant);
    free(self->revision);
    free(self->folder);
    *self = (mlx_reference_t){0};
}
