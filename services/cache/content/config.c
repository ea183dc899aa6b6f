/*  Configuration files: Python modules that a loader is asked to run, and chat templates. */
#include "services/cache/content/content.h"

#include "common/base/json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    CONFIG_MAX = 4 * 1024 * 1024,
    DEPTH_MAX = 32
};

/* ---- modules ---- */

/*  "modeling_x.XModel" is modeling_x.py of the model, "org/repo--modeling_x.XModel" another
 *  repository's. */
static void note_module(mlx_content_t *self, const char *name, const char *folder,
                        const char *value)
{
    MLX_CLEANUP(mlx_free_p) char *module = mlx_strndup(value, strcspn(value, "."));
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s%s.py", folder, module);
    MLX_CLEANUP(mlx_free_p) char *top = mlx_format("%s.py", module);
    if (strstr(value, "--"))
        mlx_found(&self->found, true, name, "needs Python code from another repository: %s", value);
    else if (mlx_content_has(self, path) || mlx_content_has(self, top))
        mlx_found(&self->found, true, name, "needs the model's own Python code: %s.py", module);
    else
        mlx_found(&self->found, false, name, "needs Python code that is not included: %s.py",
                  module);
}

/*  Once for each module of an auto_map, whose values are names or lists of them. */
static void note_map(mlx_content_t *self, const char *name, const char *folder,
                     const mlx_value_t *map)
{
    const char *last = "";
    for (size_t i = 0; i < mlx_value_size(map); i++) {
        const mlx_value_t *one = mlx_value_at(map, i);
        bool list = mlx_value_type(one) == MLX_LIST;
        for (size_t k = 0; k < (list ? mlx_value_size(one) : 1); k++) {
            const char *value = mlx_value_as_str(list ? mlx_value_at(one, k) : one, NULL);
            size_t len = value ? strcspn(value, ".") : 0;
            if (!value || (strncmp(last, value, len) == 0 && strcspn(last, ".") == len))
                continue;
            note_module(self, name, folder, value);
            last = value;
        }
    }
}

static void find_maps(mlx_content_t *self, const char *name, const char *folder,
                      const mlx_value_t *value, unsigned depth)
{
    mlx_type_t type = mlx_value_type(value);
    if (depth > DEPTH_MAX || (type != MLX_MAP && type != MLX_LIST))
        return;
    for (size_t i = 0; i < mlx_value_size(value); i++) {
        const mlx_value_t *one = mlx_value_at(value, i);
        if (type == MLX_MAP && strcmp(mlx_value_key(value, i), "auto_map") == 0)
            note_map(self, name, folder, one);
        else
            find_maps(self, name, folder, one, depth + 1);
    }
}

/*  A pipeline's class, or a part's library, may be a module of the model. */
static void check_pipeline(mlx_content_t *self, const char *name, const mlx_value_t *index)
{
    for (size_t i = 0; i < mlx_value_size(index); i++) {
        const char *part = mlx_value_key(index, i);
        const char *library = mlx_value_as_str(mlx_value_at(mlx_value_at(index, i), 0), NULL);
        MLX_CLEANUP(mlx_free_p) char *inside = mlx_format("%s/%s.py", part, library ? library : "");
        MLX_CLEANUP(mlx_free_p) char *beside = mlx_format("%s.py", library ? library : "");
        if (mlx_value_type(mlx_value_at(index, i)) == MLX_LIST && library &&
            (mlx_content_has(self, inside) || mlx_content_has(self, beside)))
            mlx_found(&self->found, true, name, "needs the model's own Python code: %s", beside);
    }
}

/*  modules.json of Sentence Transformers: {"type": "custom.Class"}. */
static void check_modules(mlx_content_t *self, const char *name, const mlx_value_t *list)
{
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const char *type = mlx_value_str(mlx_value_at(list, i), "type");
        MLX_CLEANUP(mlx_free_p)
        char *file = mlx_format("%.*s.py", type ? (int)strcspn(type, ".") : 0, type ? type : "");
        if (type && (strstr(type, "--") || mlx_content_has(self, file)))
            mlx_found(&self->found, true, name, "needs Python code: %s", type);
    }
}

/* ---- templates ---- */

static void scan_template(mlx_content_t *self, const mlx_value_t *value, const char *where)
{
    size_t len = 0;
    const char *text = mlx_value_as_str(value, &len);
    if (text)
        mlx_template_scan(text, len, where, &self->found);
}

/*  A template, or a list of {"name", "template"}, or a map of templates. */
static void scan_templates(mlx_content_t *self, const mlx_value_t *value)
{
    scan_template(self, value, "chat_template");
    bool container = mlx_value_type(value) == MLX_LIST || mlx_value_type(value) == MLX_MAP;
    for (size_t i = 0; container && i < mlx_value_size(value); i++) {
        const mlx_value_t *one = mlx_value_at(value, i);
        const char *name =
            mlx_value_type(value) == MLX_MAP ? mlx_value_key(value, i) : mlx_value_str(one, "name");
        MLX_CLEANUP(mlx_free_p) char *where = mlx_format("chat_template %s", name ? name : "");
        scan_template(self, mlx_value_type(one) == MLX_MAP ? mlx_value_get(one, "template") : one,
                      where);
    }
}

/* ---- one file ---- */

static void check_json(mlx_content_t *self, const char *name, const mlx_value_t *json)
{
    const char *slash = strrchr(name, '/');
    const char *file = slash ? slash + 1 : name;
    MLX_CLEANUP(mlx_free_p) char *folder = mlx_strndup(name, (size_t)(file - name));
    find_maps(self, file, folder, json, 0);
    if (strcmp(file, "model_index.json") == 0)
        check_pipeline(self, file, json);
    if (strcmp(file, "modules.json") == 0)
        check_modules(self, file, json);
    if (mlx_value_get(json, "chat_template"))
        scan_templates(self, mlx_value_get(json, "chat_template"));
}

void mlx_content_config(mlx_content_t *self, const char *name, const mlx_source_t *source)
{
    size_t len = 0;
    bool json = mlx_content_ends(name, ".json");
    MLX_CLEANUP(mlx_free_p) char *text = mlx_source_text(source, CONFIG_MAX, &len);
    if (!text && !json)
        mlx_found(&self->found, true, name, "the template is too long to be checked");
    if (!text)
        return;
    if (!json) {
        mlx_template_scan(text, len, "", &self->found);
        return;
    }
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *value = mlx_json_parse(text, len, NULL);
    if (value)
        check_json(self, name, value);
    else if (strstr(text, "auto_map") || strstr(text, "chat_template") || strstr(text, "\\u00"))
        mlx_found(&self->found, true, name, "is not valid JSON and cannot be checked");
}
