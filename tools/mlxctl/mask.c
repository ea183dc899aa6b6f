#include "mask.h"

#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "proto/buf.h"
#include "proto/catalogue.h"

enum {
    NAMES_MAX = 4096 /* what comes after them is called "other" */
};

typedef struct {
    mlx_mask_kind_t kind;
    char *name, *alias;
} name_t;

struct mlx_mask {
    name_t *names;
    size_t count;
    size_t numbers[MLX_MASK_KINDS];
};

static const char *const kinds[MLX_MASK_KINDS] = {
    [MLX_MASK_HOST] = "host",
    [MLX_MASK_USER] = "user",
    [MLX_MASK_PROGRAM] = "program",
    [MLX_MASK_ENDPOINT] = "endpoint",
};

static const char *const services[] = {"bus",   "sampler",  "watcher", "bencher",
                                       "cache", "recorder", "gateway", "replay"};

static bool same_name(mlx_mask_kind_t kind, const char *a, const char *b)
{
    return kind == MLX_MASK_HOST ? strcasecmp(a, b) == 0 : strcmp(a, b) == 0;
}

const char *mlx_mask_name(mlx_mask_t *self, mlx_mask_kind_t kind, const char *name)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->names[i].kind == kind && same_name(kind, self->names[i].name, name))
            return self->names[i].alias;
    if (self->count == NAMES_MAX)
        return "other";
    self->names = mlx_grow(self->names, self->count, sizeof *self->names);
    name_t *added = &self->names[self->count++];
    *added = (name_t){.kind = kind,
                      .name = mlx_strdup(name),
                      .alias = mlx_format("%s-%zu", kinds[kind], ++self->numbers[kind])};
    return added->alias;
}

/*  One more spelling of a name that has an ALIAS already: the host without its domain. */
static void add_spelling(mlx_mask_t *self, mlx_mask_kind_t kind, const char *alias,
                         const char *spelling)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->names[i].kind == kind && same_name(kind, self->names[i].name, spelling))
            return;
    if (self->count == NAMES_MAX)
        return;
    MLX_CLEANUP(mlx_free_p)
    char *copy = mlx_strdup(alias); /* ALIAS may be moved by the next line */
    self->names = mlx_grow(self->names, self->count, sizeof *self->names);
    self->names[self->count++] =
        (name_t){.kind = kind, .name = mlx_strdup(spelling), .alias = mlx_strdup(copy)};
}

static bool is_local(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "::1") == 0 || strcmp(host, "[::1]") == 0 || strcmp(host, "0.0.0.0") == 0;
}

static const char *mask_host(mlx_mask_t *self, const char *host)
{
    if (is_local(host))
        return host;
    const char *alias = mlx_mask_name(self, MLX_MASK_HOST, host);
    size_t label = strcspn(host, ".");
    if (host[label] == '.' && strspn(host, "0123456789.") != strlen(host)) {
        MLX_CLEANUP(mlx_free_p) char *shorter = mlx_strndup(host, label);
        add_spelling(self, MLX_MASK_HOST, alias, shorter);
        alias = mlx_mask_name(self, MLX_MASK_HOST, host);
    }
    return alias;
}

mlx_mask_t *mlx_mask_new(bool here)
{
    mlx_mask_t *self = mlx_alloc(1, sizeof *self);
    char host[256] = "";
    if (!here)
        return self;
    if (gethostname(host, sizeof host - 1) == 0 && host[0])
        mask_host(self, host);
    const struct passwd *user = getpwuid(getuid());
    /* root is nobody's name. */
    if (user && user->pw_name[0] && user->pw_uid != 0)
        mlx_mask_name(self, MLX_MASK_USER, user->pw_name);
    return self;
}

void mlx_mask_destroy(mlx_mask_t **self)
{
    if (!*self)
        return;
    for (size_t i = 0; i < (*self)->count; i++) {
        free((*self)->names[i].name);
        free((*self)->names[i].alias);
    }
    free((*self)->names);
    mlx_free_p(self);
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/*  The name that stands at TEXT as a word, the longest there is, or NULL. BEFORE: the byte in front
 *  of it. */
static const name_t *name_at(const mlx_mask_t *self, const char *text, char before)
{
    const name_t *found = NULL;
    if (is_word(before))
        return NULL;
    for (size_t i = 0; i < self->count; i++) {
        const name_t *name = &self->names[i];
        size_t len = strlen(name->name);
        bool fits = name->kind == MLX_MASK_HOST ? strncasecmp(text, name->name, len) == 0
                                                : strncmp(text, name->name, len) == 0;
        if (fits && len && !is_word(text[len]) && (!found || len > strlen(found->name)))
            found = name;
    }
    return found;
}

/*  Learn who "/home/alice/..." and "/Users/alice/..." belong to. */
static void learn_people(mlx_mask_t *self, const char *text)
{
    static const char *const roots[] = {"/home/", "/Users/"};
    for (size_t i = 0; i < MLX_COUNT(roots); i++)
        for (const char *p = strstr(text, roots[i]); p; p = strstr(p, roots[i])) {
            p += strlen(roots[i]);
            size_t len = strcspn(p, "/:\"' \t");
            MLX_CLEANUP(mlx_free_p) char *name = mlx_strndup(p, len);
            if (len && strcmp(name, "Shared") != 0)
                mlx_mask_name(self, MLX_MASK_USER, name);
        }
}

/*  Learn the host and the user of every "scheme://user:password@host:port". A password is not a
 *  name, but nobody wants to publish it either. */
static void learn_urls(mlx_mask_t *self, const char *text)
{
    for (const char *p = strstr(text, "://"); p; p = strstr(p, "://")) {
        p += 3;
        size_t len = strcspn(p, "/?# \t\"'<>,;)");
        MLX_CLEANUP(mlx_free_p) char *authority = mlx_strndup(p, len);
        char *at = strrchr(authority, '@');
        char *host = at ? at + 1 : authority;
        if (at) {
            *at = '\0';
            mlx_mask_name(self, MLX_MASK_USER, authority);
        }
        size_t end = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
        if (end < strlen(host))
            host[end] = '\0';
        if (host[0])
            (void)mask_host(self, host);
    }
}

char *mlx_mask_text(mlx_mask_t *self, const char *text)
{
    mlx_buf_t out = {0};
    char before = '\0';
    learn_people(self, text);
    learn_urls(self, text);
    while (*text) {
        const name_t *name = name_at(self, text, before);
        if (name)
            mlx_buf_puts(&out, name->alias);
        else
            mlx_buf_putc(&out, *text);
        size_t len = name ? strlen(name->name) : 1;
        before = text[len - 1];
        text += len;
    }
    return out.data ? mlx_buf_take(&out) : mlx_strdup("");
}

/*  What a client of a model is known by; a fingerprint of its key is a name, too. */
static bool names_program(const char *key)
{
    static const char *const all[] = {"client", "process", "agent", "key"};
    for (size_t i = 0; i < MLX_COUNT(all); i++)
        if (strcmp(all[i], key) == 0)
            return true;
    return false;
}

/*  A copy of VALUE, which stands under KEY, with the names in it replaced. */
static mlx_value_t *masked(mlx_mask_t *self, const char *key, const mlx_value_t *value)
{
    mlx_type_t type = mlx_value_type(value);
    if (type == MLX_STR && key && names_program(key))
        return mlx_value_new_str(
            mlx_mask_name(self, MLX_MASK_PROGRAM, mlx_value_as_str(value, NULL)));
    if (type == MLX_STR && key && strcmp(key, "address") == 0 &&
        !is_local(mlx_value_as_str(value, NULL)))
        return mlx_value_new_str(mlx_mask_name(self, MLX_MASK_HOST, mlx_value_as_str(value, NULL)));
    if (type == MLX_STR) {
        MLX_CLEANUP(mlx_free_p) char *text = mlx_mask_text(self, mlx_value_as_str(value, NULL));
        return mlx_value_new_str(text);
    }
    if (type != MLX_LIST && type != MLX_MAP)
        return mlx_value_copy(value);
    mlx_value_t *copy = type == MLX_LIST ? mlx_value_list() : mlx_value_map();
    for (size_t i = 0; i < mlx_value_size(value); i++) {
        const char *name = type == MLX_MAP ? mlx_value_key(value, i) : NULL;
        mlx_value_t *item = masked(self, name ? name : key, mlx_value_at(value, i));
        if (type == MLX_MAP)
            mlx_value_add(copy, name, item);
        else
            mlx_value_append(copy, item);
    }
    return copy;
}

/*  "runtime.<kind>.<endpoint>.models": an endpoint of another machine is made of its name. */
static char *masked_topic(mlx_mask_t *self, const char *topic)
{
    char kind[65] = "", endpoint[65] = "", rest[65] = "";
    if (sscanf(topic, "runtime.%64[^.].%64[^.].%64s", kind, endpoint, rest) != 3 ||
        strncmp(endpoint, "127_", 4) == 0 || strncmp(endpoint, "localhost", 9) == 0)
        return mlx_strdup(topic);
    return mlx_format("runtime.%s.%s.%s", kind, mlx_mask_name(self, MLX_MASK_ENDPOINT, endpoint),
                      rest);
}

static bool is_service(const char *src)
{
    for (size_t i = 0; i < MLX_COUNT(services); i++)
        if (strcmp(services[i], src) == 0)
            return true;
    return false;
}

static void replace(char **text, const char *with)
{
    char *copy = mlx_strdup(with);
    free(*text);
    *text = copy;
}

void mlx_mask_message(mlx_mask_t *self, mlx_message_t *message)
{
    replace(&message->host, mask_host(self, message->host));
    if (!is_service(message->src))
        replace(&message->src, mlx_mask_name(self, MLX_MASK_PROGRAM, message->src));
    MLX_CLEANUP(mlx_free_p) char *topic = masked_topic(self, message->topic);
    replace(&message->topic, topic);
    mlx_value_t *d = masked(self, NULL, message->d);
    mlx_value_destroy(&message->d);
    message->d = d;
}
