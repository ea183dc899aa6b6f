#include "services/cache/model/names.h"

#include "proto/utf8.h"
#include "services/cache/model/unicode.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static int refuse(mlx_error_t *err, const char *what, const char *s, const char *why)
{
    return mlx_error_set(err, MLX_ERR_USAGE, "%s \"%.120s\" %s", what, s, why);
}

static bool only(const char *s, const char *allowed)
{
    return s[strspn(s, allowed)] == '\0';
}

int mlx_name_digest(const char *s, char hex[MLX_HEX_MAX], mlx_error_t *err)
{
    static const char what[] = "digest";
    if (strncmp(s, "sha256", 6) != 0 || (s[6] != ':' && s[6] != '-'))
        return refuse(err, what, s, "is not of the form sha256:<64 hex digits>");
    const char *digits = s + 7;
    if (strlen(digits) != MLX_SHA256_HEX)
        return refuse(err, what, s, "does not have 64 hex digits");
    for (size_t i = 0; i < MLX_SHA256_HEX; i++)
        hex[i] = (char)tolower((unsigned char)digits[i]);
    hex[MLX_SHA256_HEX] = '\0';
    if (!mlx_is_hex(hex, MLX_SHA256_HEX))
        return refuse(err, what, s, "does not have 64 hex digits");
    return 0;
}

int mlx_name_commit(const char *s, mlx_error_t *err)
{
    if (strlen(s) != MLX_SHA1_HEX || !mlx_is_hex(s, MLX_SHA1_HEX))
        return refuse(err, "commit", s, "is not 40 hex digits");
    return 0;
}

int mlx_name_etag(const char *s, mlx_error_t *err)
{
    size_t len = strlen(s);
    if ((len != MLX_SHA1_HEX && len != MLX_SHA256_HEX) || !mlx_is_hex(s, len))
        return refuse(err, "blob id", s, "is not 40 or 64 hex digits");
    return 0;
}

static const char *repo_part_fault(const char *s, size_t len)
{
    if (len == 0 || len > MLX_REPO_BYTES)
        return "needs parts of 1 to 96 characters";
    if (strspn(s, LETTERS DIGITS "._-") < len)
        return "may contain only letters, digits, '.', '_' and '-'";
    if (strchr(".-", s[0]) || strchr(".-", s[len - 1]))
        return "has a part that starts or ends with '.' or '-'";
    return NULL;
}

int mlx_name_repo(const char *s, mlx_error_t *err)
{
    static const char what[] = "repository";
    const char *slash = strchr(s, '/');
    size_t first = slash ? (size_t)(slash - s) : strlen(s);
    const char *fault = repo_part_fault(s, first);
    if (!fault && slash)
        fault = repo_part_fault(slash + 1, strlen(slash + 1));
    if (fault)
        return refuse(err, what, s, fault);
    /* The cache layouts join owner and name with "--". */
    if (strstr(s, "--") || strstr(s, ".."))
        return refuse(err, what, s, "holds \"--\" or \"..\"");
    size_t len = strlen(s);
    if (len > 4 && strcasecmp(s + len - 4, ".git") == 0)
        return refuse(err, what, s, "ends with .git");
    return 0;
}

int mlx_name_revision(const char *s, mlx_error_t *err)
{
    static const char what[] = "revision";
    size_t len = strlen(s);
    if (len == 0 || len > 255)
        return refuse(err, what, s, "is not 1 to 255 characters long");
    if (!only(s, LETTERS DIGITS "._-+/"))
        return refuse(err, what, s, "may contain only letters, digits and . _ - + /");
    if (strchr("/.-", s[0]) || strchr("/.", s[len - 1]) || strstr(s, "..") || strstr(s, "//") ||
        strstr(s, "/."))
        return refuse(err, what, s, "is not a valid branch, tag or commit");
    return 0;
}

/*  Names that Windows gives to devices, with or without an extension: a store may lie on a share.
 */
static bool is_device(const char *s, size_t len)
{
    static const char *const three[] = {"con", "prn", "aux", "nul"};
    const char *dot = memchr(s, '.', len);
    size_t stem = dot ? (size_t)(dot - s) : len;
    for (size_t i = 0; i < MLX_COUNT(three); i++)
        if (stem == 3 && strncasecmp(s, three[i], 3) == 0)
            return true;
    return stem == 4 && (strncasecmp(s, "com", 3) == 0 || strncasecmp(s, "lpt", 3) == 0) &&
           isdigit((unsigned char)s[3]);
}

static const char *component_fault(const char *s, size_t len)
{
    if (len == 0)
        return "has an empty component";
    if (len > 255)
        return "has a component of more than 255 characters";
    if ((len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.'))
        return "has a component \".\" or \"..\"";
    if (s[len - 1] == '.' || s[len - 1] == ' ' || s[0] == ' ')
        return "has a component that starts or ends with a space or ends with a dot";
    if (is_device(s, len))
        return "has a component that is a device name";
    for (size_t i = 0; i < len; i++)
        if (strchr("\\:*?\"<>|", s[i]))
            return "contains a character that is not safe in a file name";
    return mlx_utf8_plain(s, len) ? NULL : "contains a control character or is not valid UTF-8";
}

int mlx_name_path(const char *s, mlx_error_t *err)
{
    static const char what[] = "file name";
    if (strlen(s) > MLX_PATH_BYTES)
        return refuse(err, what, s, "is longer than 1024 characters");
    size_t depth = 0;
    for (const char *at = s;; at++) {
        size_t len = strcspn(at, "/");
        const char *fault = component_fault(at, len);
        if (!fault && ++depth > MLX_PATH_DEPTH)
            fault = "is deeper than 16 folders";
        if (fault)
            return refuse(err, what, s, fault);
        at += len;
        if (!*at)
            return 0;
    }
}

/*  Fold the name, and put '/' before every other character: after sorting, a folder's files follow
 *  a file of the folder's name at once. */
static char *fold(const char *path)
{
    char *copy = mlx_unicode_fold(path);
    for (char *c = copy; *c; c++)
        *c = *c == '/' ? '\x01' : *c;
    return copy;
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int mlx_name_distinct(const char *const *paths, size_t count, mlx_error_t *err)
{
    char **folded = mlx_alloc(count ? count : 1, sizeof *folded);
    for (size_t i = 0; i < count; i++)
        folded[i] = fold(paths[i]);
    qsort(folded, count, sizeof *folded, compare_strings);
    int rc = 0;
    for (size_t i = 1; i < count && rc == 0; i++) {
        size_t len = strlen(folded[i - 1]);
        if (strncmp(folded[i - 1], folded[i], len) == 0 &&
            (folded[i][len] == '\0' || folded[i][len] == '\x01'))
            rc = refuse(err, "file name", folded[i - 1],
                        "differs from another name only in case or in how its letters are encoded");
    }
    for (size_t i = 0; i < count; i++)
        free(folded[i]);
    free(folded);
    return rc;
}

/*  Copy the part of LEN characters at S into OUT of SIZE bytes if it is made as Ollama wants it. */
static const char *take_part(const char *s, size_t len, const char *extra, char *out, size_t size)
{
    if (len == 0)
        return "has an empty part";
    if (len >= size)
        return "has a part that is too long for Ollama";
    memcpy(out, s, len);
    out[len] = '\0';
    if (!isalnum((unsigned char)out[0]) && out[0] != '_')
        return "has a part that does not start with a letter, digit or '_'";
    for (const char *c = out; *c; c++)
        if (!strchr(LETTERS DIGITS "_-", *c) && !strchr(extra, *c))
            return "contains a character that Ollama does not allow there";
    if (strstr(out, ".."))
        return "holds \"..\"";
    return NULL;
}

static bool is_source_suffix(const char *tag)
{
    size_t len = strlen(tag);
    return strcasecmp(tag, "cloud") == 0 || strcasecmp(tag, "local") == 0 ||
           (len > 6 && strcasecmp(tag + len - 6, "-cloud") == 0);
}

static const char *split_name(const char *s, mlx_ollama_name_t *name)
{
    const char *last = strrchr(s, '/');
    const char *model = last ? last + 1 : s;
    const char *colon = strrchr(model, ':');
    const char *fault =
        colon ? take_part(colon + 1, strlen(colon + 1), ".", name->tag, sizeof name->tag) : NULL;
    if (!fault)
        fault = take_part(model, colon ? (size_t)(colon - model) : strlen(model), ".", name->model,
                          sizeof name->model);
    if (fault || !last)
        return fault;
    const char *space = last;
    while (space > s && space[-1] != '/')
        space--;
    fault = take_part(space, (size_t)(last - space), "", name->space, sizeof name->space);
    if (fault || space == s)
        return fault;
    return take_part(s, (size_t)(space - 1 - s), ".:", name->host, sizeof name->host);
}

int mlx_name_ollama(const char *s, mlx_ollama_name_t *name, mlx_error_t *err)
{
    static const char what[] = "Ollama name";
    *name = (mlx_ollama_name_t){
        .host = "registry.ollama.ai", .space = "library", .model = "", .tag = "latest"};
    if (strstr(s, "://"))
        return refuse(err, what, s, "has a scheme");
    const char *fault = split_name(s, name);
    if (fault)
        return refuse(err, what, s, fault);
    if (is_source_suffix(name->tag))
        return refuse(err, what, s, "is a cloud model, which runs elsewhere");
    return 0;
}

char *mlx_name_ollama_short(const mlx_ollama_name_t *name)
{
    bool default_host = strcasecmp(name->host, "registry.ollama.ai") == 0;
    if (!default_host)
        return mlx_format("%s/%s/%s:%s", name->host, name->space, name->model, name->tag);
    if (strcasecmp(name->space, "library") != 0)
        return mlx_format("%s/%s:%s", name->space, name->model, name->tag);
    return mlx_format("%s:%s", name->model, name->tag);
}

bool mlx_name_match(const char *pattern, const char *path)
{
    return fnmatch(pattern, path, FNM_NOESCAPE) == 0;
}
