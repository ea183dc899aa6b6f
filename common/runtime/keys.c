#include "common/runtime/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/runtime/endpoint.h"

enum {
    DEFAULT_PORT = 11434, /* as the watcher reads the settings */
    FILE_MAX = 65536,
};

typedef struct {
    mlx_endpoint_t at;
    char *file;     /* NULL: none */
    char *variable; /* the same */
} entry_t;

struct mlx_runtime_keys {
    entry_t *entries;
    size_t count;
};

static void add(mlx_runtime_keys_t *self, const mlx_value_t *item)
{
    const char *file = mlx_value_str(item, "key_file"), *name = mlx_value_str(item, "key_env");
    entry_t entry = {0};
    if ((!file && !name) ||
        mlx_endpoint_parse(&entry.at, mlx_value_str(item, "url"), DEFAULT_PORT, NULL))
        return;
    entry.file = mlx_strdup(file);
    entry.variable = mlx_strdup(name);
    self->entries = mlx_grow(self->entries, self->count, sizeof entry);
    self->entries[self->count++] = entry;
}

mlx_runtime_keys_t *mlx_runtime_keys_new(const mlx_value_t *runtimes)
{
    mlx_runtime_keys_t *self = mlx_alloc(1, sizeof *self);
    for (size_t i = 0; i < mlx_value_size(runtimes); i++)
        add(self, mlx_value_at(runtimes, i));
    return self;
}

void mlx_runtime_keys_destroy(mlx_runtime_keys_t **self_p)
{
    mlx_runtime_keys_t *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++) {
        free(self->entries[i].file);
        free(self->entries[i].variable);
    }
    free(self->entries);
    free(self);
    *self_p = NULL;
}

/* ---- whose ---- */

static size_t scheme_length(const char *url)
{
    return strcspn(url, ":");
}

/*  Another scheme, host or port is another server: another program may be there. */
static const entry_t *entry_for(const mlx_runtime_keys_t *self, const char *url)
{
    mlx_endpoint_t at;
    if (!self || mlx_endpoint_parse(&at, url, DEFAULT_PORT, NULL))
        return NULL;
    for (size_t i = 0; i < self->count; i++) {
        const mlx_endpoint_t *own = &self->entries[i].at;
        size_t scheme = scheme_length(own->url);
        if (own->port == at.port && !strcmp(own->host, at.host) &&
            scheme == scheme_length(at.url) && !memcmp(own->url, at.url, scheme))
            return &self->entries[i];
    }
    return NULL;
}

/* ---- reading ---- */

/*  The first word of TEXT, which must be all that its line holds. */
static char *take_key(const char *text, const char *where, mlx_error_t *err)
{
    text += strspn(text, " \t\r\n");
    size_t len = strcspn(text, "\r\n");
    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    bool good = len > 0 && len <= MLX_RUNTIME_KEY_MAX;
    for (size_t i = 0; i < len && good; i++)
        good = text[i] > 0x20 && text[i] < 0x7f;
    if (good)
        return mlx_strndup(text, len);
    mlx_error_set(err, MLX_ERR_USAGE, "%s %s", where,
                  len ? "does not contain a key: a key is one word of printable characters"
                      : "is empty");
    return NULL;
}

static char *read_file(const char *path, mlx_error_t *err)
{
    size_t len;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_file_read_private(path, FILE_MAX, &len, err);
    MLX_CLEANUP(mlx_free_p) char *where = mlx_format("key_file %s", path);
    if (text)
        return take_key(text, where, err);
    mlx_error_prefix(err, "key_file");
    return NULL;
}

/*  Who writes the key itself where its variable's name belongs shall not read it in a log. */
static char *read_variable(const char *name, mlx_error_t *err)
{
    const char *text = getenv(name);
    if (text)
        return take_key(text, "the variable that key_env names", err);
    mlx_error_set(err, MLX_ERR_USAGE,
                  "the variable that key_env names is not in this service's environment");
    return NULL;
}

static char *read_key(const entry_t *entry, mlx_error_t *err)
{
    return entry->file ? read_file(entry->file, err) : read_variable(entry->variable, err);
}

char *mlx_runtime_keys_find(void *self, const char *url)
{
    const entry_t *entry = entry_for(self, url);
    return entry ? read_key(entry, NULL) : NULL;
}

/* ---- what to say ---- */

void mlx_runtime_keys_advice(const mlx_runtime_keys_t *self, const char *url, char *out, size_t cap)
{
    const entry_t *entry = entry_for(self, url);
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_free_p) char *key = entry ? read_key(entry, &err) : NULL;
    if (!entry)
        snprintf(out, cap, "needs a key: set key_file or key_env of its entry in watcher.runtimes");
    else if (!key)
        snprintf(out, cap, "needs a key: %.250s", err.text);
    else
        snprintf(out, cap, "needs a key: it refused the one from %s%.200s",
                 entry->file ? "key_file " : "key_env", entry->file ? entry->file : "");
}

void mlx_runtime_keys_hide(const mlx_runtime_keys_t *self, const char *url, char *text)
{
    const entry_t *entry = entry_for(self, url);
    MLX_CLEANUP(mlx_free_p) char *key = entry ? read_key(entry, NULL) : NULL;
    for (char *at = text; at && key && (at = strstr(at, key));)
        memset(at, '*', strlen(key));
}

void mlx_runtime_keys_check(const mlx_runtime_keys_t *self, void (*fn)(void *arg, const char *text),
                            void *arg)
{
    for (size_t i = 0; i < self->count; i++) {
        mlx_error_t err = {0};
        MLX_CLEANUP(mlx_free_p) char *key = read_key(&self->entries[i], &err);
        if (key)
            continue;
        mlx_error_prefix(&err, "%s", self->entries[i].at.url);
        fn(arg, err.text);
    }
}
