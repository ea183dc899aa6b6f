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

/*  Length of a revision at TEXT. It may hold slashes (refs/pr/1), but the file behind it does not
 *  belong to it. */
static size_t revision_length(const char *text)
{
    size_t len = strcspn(text, ":@?#");
    MLX_CLEANUP(mlx_free_p) char *all = mlx_strndup(text, len);
    if (mlx_weights_format(all) != MLX_WEIGHTS_GGUF)
        return len;
    const char *slash = strncmp(text, "refs/", 5) == 0 ? strchr(text + 5, '/') : text;
    slash = slash ? strchr(slash + 1, '/') : NULL;
    return slash && (size_t)(slash - text) < len ? (size_t)(slash - text) : len;
}

/*  ":QUANT" and "@REV" in either order at position LEN of TEXT; the position behind them. */
static size_t take_suffixes(const char *text, size_t len, mlx_reference_t *self)
{
    while (text[len] == ':' || text[len] == '@') {
        size_t start = len + 1;
        bool quant = text[len] == ':';
        char **slot = quant ? &self->quant : &self->revision;
        len = start + (quant ? strcspn(text + start, ":@?#") : revision_length(text + start));
        if (!*slot)
            *slot = mlx_strndup(text + start, len - start);
    }
    return len;
}

/*  A file or folder of the repository, as it is written in a URL. A file that is no GGUF stands for
 *  its model. */
static void take_path(const char *text, bool folder, mlx_reference_t *self)
{
    char *path = decode(text, strcspn(text, "?#"));
    for (size_t len = strlen(path); len && path[len - 1] == '/'; len--)
        path[len - 1] = '\0';
    char **slot = NULL;
    if (folder && *path)
        slot = &self->folder;
    else if (!folder && mlx_weights_format(path) == MLX_WEIGHTS_GGUF)
        slot = &self->quant;
    if (slot && !*slot)
        *slot = path;
    else
        free(path);
}

/*  What is behind the repository: a page of a revision, or a path. */
static void take_rest(const char *text, mlx_reference_t *self)
{
    static const char *const kinds[] = {"/tree/",   "/blob/",    "/resolve/",
                                        "/commit/", "/commits/", "/raw/"};
    for (size_t i = 0; i < MLX_COUNT(kinds); i++) {
        size_t len = strlen(kinds[i]);
        if (strncmp(text, kinds[i], len) != 0)
            continue;
        const char *rev = text + len;
        size_t end = strcspn(rev, "/?#");
        if (!self->revision)
            self->revision = decode(rev, end);
        return take_path(rev + end + (rev[end] == '/'), i == 0, self);
    }
    if (*text == '/')
        take_path(text + 1, false, self);
}

/*  "org/name" with what follows it. */
static void take_repo(const char *text, mlx_reference_t *self)
{
    size_t len = strcspn(text, "/:@?#");
    if (text[len] == '/')
        len += 1 + strcspn(text + len + 1, "/:@?#");
    self->kind = MLX_REFERENCE_HUB;
    self->repo = mlx_strndup(text, len);
    take_rest(text + take_suffixes(text, len, self), self);
}

/*  Text behind PREFIX, case ignored, or NULL. */
static const char *behind(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncasecmp(text, prefix, len) == 0 ? text + len : NULL;
}

/*  The hub's address of what is no model. */
static int need_model(const char *text, mlx_error_t *err)
{
    static const char *const others[] = {"datasets/", "spaces/", "kernels/"};
    for (size_t i = 0; i < MLX_COUNT(others); i++) {
        if (!behind(text, others[i]))
            continue;
        mlx_error_set(err, MLX_ERR_USAGE, "%.200s is no model but one of the hub's %.*s", text,
                      (int)strlen(others[i]) - 1, others[i]);
        return mlx_error_hint(err, "the hub's own client gets it: hf download %.200s", text);
    }
    return 0;
}

static const char *without_scheme(const char *text)
{
    const char *rest = behind(text, "https://");
    rest = rest ? rest : behind(text, "http://");
    return rest ? rest : text;
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
    const char *rest = behind(text, "hf://");
    rest = rest ? rest : behind(text, "huggingface://");
    text = without_scheme(text);
    for (size_t i = 0; !rest && i < MLX_COUNT(hosts); i++)
        rest = behind(text, hosts[i]);
    return rest;
}

/*  "ollama://name", or the page of a model: its name. Caller owns it; NULL: it is neither. */
static char *ollama_page(const char *text)
{
    static const char *const places[] = {"ollama.com/library/", "www.ollama.com/library/",
                                         "ollama.com/", "www.ollama.com/"};
    const char *name = behind(text, "ollama://");
    text = without_scheme(text);
    for (size_t i = 0; !name && i < MLX_COUNT(places); i++)
        name = behind(text, places[i]);
    size_t len = name ? strcspn(name, "?#") : 0;
    while (len && name[len - 1] == '/')
        len--;
    return len ? mlx_strndup(name, len) : NULL;
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

/*  Does TEXT begin with a registry's host, as Ollama and Docker tell one: with a dot or a port. */
static bool has_host(const char *text)
{
    MLX_CLEANUP(mlx_free_p) char *first = mlx_strndup(text, strcspn(text, "/"));
    return strpbrk(first, ".:") || strcmp(first, "localhost") == 0;
}

/*  "org/name", with a revision, a quantisation or a file; "user/name:tag" is Ollama's. */
static bool is_repo(const char *text, bool *or_ollama)
{
    const char *slash = strchr(text, '/'), *at = strchr(text, '@'), *colon = strchr(text, ':');
    const char *second = slash ? strchr(slash + 1, '/') : NULL;
    if (!slash || (at && at < slash) || (second && (!at || second < at) && has_host(text)))
        return false;
    bool quant = colon && (mlx_reference_is_quant(colon + 1) ||
                           mlx_weights_format(colon + 1) == MLX_WEIGHTS_GGUF);
    *or_ollama = colon && !at;
    return !colon || at || quant;
}

static int take_hub(const char *text, mlx_reference_t *self, mlx_error_t *err)
{
    if (need_model(text, err))
        return -1;
    const char *model = behind(text, "models/");
    take_repo(model ? model : text, self);
    return 0;
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
    if (hub)
        return take_hub(hub, self, err);
    self->ollama = ollama_page(text);
    if (!self->ollama && strstr(text, "://")) {
        mlx_error_set(err, MLX_ERR_USAGE, "%.200s is not a page of the hub", text);
        return mlx_error_hint(err, "download it, then mlx-cache add ./FILE");
    }
    if (is_path(text))
        self->kind = MLX_REFERENCE_PATH;
    else if (!self->ollama && is_repo(text, &self->or_ollama))
        return take_hub(text, self, err);
    return 0;
}

void mlx_reference_clear(mlx_reference_t *self)
{
    free(self->repo);
    free(self->quant);
    free(self->revision);
    free(self->folder);
    free(self->ollama);
    *self = (mlx_reference_t){0};
}
