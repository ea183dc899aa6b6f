#include "services/cache/content/content.h"

#include "services/cache/model/gguf.h"
#include "services/cache/model/header.h"

#include <string.h>
#include <strings.h>

enum {
    RANK_METADATA = 2
};

bool mlx_content_ends(const char *name, const char *words)
{
    size_t size = strlen(name);
    for (const char *at = words; *at;) {
        size_t len = strcspn(at, " ");
        if (size >= len && strncasecmp(name + size - len, at, len) == 0)
            return true;
        at += len + (at[len] == ' ');
    }
    return false;
}

bool mlx_content_has(const mlx_content_t *self, const char *path)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->names[i], path) == 0)
            return true;
    return false;
}

/* ---- GGUF ---- */

static void on_text(void *arg, const char *key, const char *text, size_t kept, uint64_t len)
{
    static const char prefix[] = "tokenizer.chat_template";
    mlx_content_t *self = arg;
    if (strncmp(key, prefix, sizeof prefix - 1) == 0) {
        if (len > kept)
            mlx_found(&self->found, true, key, "the template is too long to be checked");
        mlx_template_scan(text, kept, key, &self->found);
    }
    if (strcmp(key, "general.license") == 0)
        mlx_content_set_license(self, text, strnlen(text, kept), RANK_METADATA);
}

void mlx_content_gguf(mlx_content_t *self, const mlx_source_t *source)
{
    const mlx_gguf_visitor_t visitor = {.text = on_text, .arg = self};
    mlx_gguf_t info;
    size_t len = source->memory ? (size_t)source->size : 0;
    const unsigned char *memory = source->memory ? source->memory + source->from : NULL;
    mlx_gguf_visit(source->fd, memory, len, source->size, &visitor, &info, NULL);
}

/* ---- one file ---- */

static bool is_license(const char *file)
{
    static const char *const names[] = {"LICENSE", "LICENCE", "COPYING"};
    for (size_t i = 0; i < MLX_COUNT(names); i++)
        if (strncasecmp(file, names[i], strlen(names[i])) == 0)
            return true;
    return strcasecmp(file, "README.md") == 0;
}

static bool is_config(const char *file)
{
    return mlx_content_ends(file,
                            "config.json chat_template.json model_index.json modules.json .jinja "
                            ".jinja2 .j2") ||
           strncmp(file, "chat_template", 13) == 0;
}

void mlx_content_check(mlx_content_t *self, const char *name, const mlx_source_t *source)
{
    const char *slash = strrchr(name, '/');
    const char *file = slash ? slash + 1 : name;
    self->found.file = name;
    mlx_file_kind_t kind = mlx_file_kind(name);
    if (kind == MLX_FILE_GGUF)
        mlx_content_gguf(self, source);
    if (kind != MLX_FILE_OTHER)
        return;
    if (is_license(file))
        mlx_content_license(self, name, source);
    if (is_config(file))
        mlx_content_config(self, name, source);
    if (mlx_content_ends(file, ".onnx"))
        mlx_content_graph(self, name, source);
    mlx_content_binary(self, name, source);
}
