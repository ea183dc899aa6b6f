#include "common/base/config.h"

#include "common/base/config_value.h"
#include "common/base/file.h"
#include "common/base/paths.h"
#include "common/base/suggest.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef enum {
    FROM_DEFAULT,
    FROM_FILE,
    FROM_ENVIRONMENT,
    FROM_FLAG,
} source_t;

typedef struct {
    mlx_value_t *value; /* NULL: not set */
    source_t source;
    char *place;
} slot_t;

struct mlx_config {
    const mlx_env_t *env;
    char *path;
    slot_t *slots; /* in the table's order */
};

static void put(slot_t *slot, source_t source, char *place, mlx_value_t *value)
{
    mlx_value_destroy(&slot->value);
    free(slot->place);
    *slot = (slot_t){.value = value, .source = source, .place = place};
}

static void set_default(const mlx_config_t *self, size_t index)
{
    const mlx_setting_t *setting = &mlx_settings[index];
    bool list = setting->type == MLX_SETTING_LIST || setting->type == MLX_SETTING_MAPS;
    mlx_value_t *value = list ? mlx_value_list() : NULL;
    if (setting->fallback) {
        mlx_error_t err = {0};
        value = mlx_config_convert_text(setting, setting->fallback, "default", self->env, &err);
        if (!value)
            mlx_panic("bad default in the table of settings: %s", err.text);
    }
    put(&self->slots[index], FROM_DEFAULT, NULL, value);
}

mlx_config_t *mlx_config_new(const mlx_env_t *env)
{
    mlx_config_t *self = mlx_alloc(1, sizeof *self);
    self->env = env;
    self->slots = mlx_alloc(mlx_settings_count, sizeof *self->slots);
    for (size_t i = 0; i < mlx_settings_count; i++)
        set_default(self, i);
    return self;
}

void mlx_config_destroy(mlx_config_t **self_p)
{
    mlx_config_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < mlx_settings_count; i++)
        put(&self->slots[i], FROM_DEFAULT, NULL, NULL);
    free(self->slots);
    free(self->path);
    free(self);
}

static bool find(const char *key, size_t *index)
{
    for (size_t i = 0; i < mlx_settings_count; i++)
        if (strcmp(mlx_settings[i].key, key) == 0) {
            *index = i;
            return true;
        }
    return false;
}

static int suggest_key(const char *key, mlx_error_t *err)
{
    mlx_suggest_t near = {.word = key};
    for (size_t i = 0; i < mlx_settings_count; i++)
        mlx_suggest_try(&near, mlx_settings[i].key);
    for (size_t i = 0; mlx_settings_section(i); i++)
        mlx_suggest_try(&near, mlx_settings_section(i));
    return near.best ? mlx_error_hint(err, "did you mean \"%s\"?", near.best)
                     : mlx_error_hint(err, "mlxctl config lists all settings");
}

/*  A value from the file; null means the default. */
static int take_node(mlx_config_t *self, const char *key, const mlx_yaml_t *key_node,
                     const mlx_yaml_t *node, const char *name, mlx_error_t *err)
{
    size_t index;
    if (!find(key, &index)) {
        mlx_yaml_error(err, name, key_node, "there is no setting \"%.128s\"", key);
        return suggest_key(key, err);
    }
    if (node->type == MLX_NULL)
        return 0;
    mlx_value_t *value = mlx_config_convert(&mlx_settings[index], node, name, self->env, err);
    if (!value)
        return -1;
    if (self->slots[index].source <= FROM_FILE)
        put(&self->slots[index], FROM_FILE, mlx_format("%s:%zu", name, key_node->line), value);
    else
        mlx_value_destroy(&value);
    return 0;
}

static int take_section(mlx_config_t *self, const mlx_yaml_t *key, const mlx_yaml_t *section,
                        const char *name, mlx_error_t *err)
{
    if (section->type == MLX_NULL)
        return 0;
    if (section->type != MLX_MAP)
        return mlx_yaml_error(err, name, section, "%s must contain settings, one per line",
                              key->text);
    for (size_t i = 0; i + 1 < section->count; i += 2) {
        const mlx_yaml_t *inner = section->items[i];
        MLX_CLEANUP(mlx_free_p) char *full = mlx_format("%s.%s", key->text, inner->text);
        if (take_node(self, full, inner, section->items[i + 1], name, err))
            return -1;
    }
    return 0;
}

static int take_root(mlx_config_t *self, const mlx_yaml_t *root, const char *name, mlx_error_t *err)
{
    if (root->type == MLX_NULL)
        return 0;
    if (root->type != MLX_MAP)
        return mlx_yaml_error(err, name, root, "the file must consist of sections");
    for (size_t i = 0; i + 1 < root->count; i += 2) {
        const mlx_yaml_t *key = root->items[i], *item = root->items[i + 1];
        if (mlx_settings_section_help(key->text)) {
            if (take_section(self, key, item, name, err))
                return -1;
        } else if (strchr(key->text, '.')) {
            /* A second spelling would let one setting stand twice in a file. */
            mlx_yaml_error(err, name, key, "\"%.128s\" must be nested", key->text);
            return mlx_error_hint(err, "write the part after the dot inside its section");
        } else if (take_node(self, key->text, key, item, name, err)) {
            return -1;
        }
    }
    return 0;
}

int mlx_config_load_text(mlx_config_t *self, const char *text, size_t len, const char *name,
                         mlx_error_t *err)
{
    MLX_CLEANUP(mlx_yaml_destroy) mlx_yaml_t *root = mlx_yaml_parse(text, len, name, err);
    return root ? take_root(self, root, name, err) : -1;
}

int mlx_config_load_file(mlx_config_t *self, const char *path, mlx_error_t *err)
{
    size_t len = 0;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_file_read(path, MLX_YAML_MAX_BYTES, &len, err);
    if (!text)
        return -1;
    free(self->path);
    self->path = mlx_strdup(path);
    return mlx_config_load_text(self, text, len, path, err);
}

/*  "sampler.rate_hz" gives "MLX_SAMPLER_RATE_HZ". */
static char *variable_name(const char *key)
{
    char *name = mlx_format("MLX_%s", key);
    for (char *c = name; *c; c++)
        *c = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
    return name;
}

static int take_text(mlx_config_t *self, size_t index, source_t source, const char *text,
                     const char *name, mlx_error_t *err)
{
    mlx_value_t *value = mlx_config_convert_text(&mlx_settings[index], text, name, self->env, err);
    if (!value)
        return -1;
    if (self->slots[index].source <= source)
        put(&self->slots[index], source, mlx_strdup(name), value);
    else
        mlx_value_destroy(&value);
    return 0;
}

int mlx_config_load_env(mlx_config_t *self, mlx_error_t *err)
{
    for (size_t i = 0; i < mlx_settings_count; i++) {
        MLX_CLEANUP(mlx_free_p) char *name = variable_name(mlx_settings[i].key);
        const char *text = mlx_env_get(self->env, name);
        if (text && take_text(self, i, FROM_ENVIRONMENT, text, name, err))
            return -1;
    }
    return 0;
}

int mlx_config_set(mlx_config_t *self, const char *key, const char *text, mlx_error_t *err)
{
    size_t index;
    if (!find(key, &index)) {
        mlx_error_set(err, MLX_ERR_USAGE, "there is no setting \"%.128s\"", key);
        return suggest_key(key, err);
    }
    return take_text(self, index, FROM_FLAG, text, key, err);
}

static int load_usual_file(mlx_config_t *self, const char *path, mlx_error_t *err)
{
    if (path)
        return mlx_config_load_file(self, path, err);
    MLX_CLEANUP(mlx_free_p) char *default_file = mlx_paths_config_file(self->env, err);
    if (!default_file)
        return -1;
    mlx_error_t why = {0};
    if (mlx_config_load_file(self, default_file, &why) == 0)
        return 0;
    if (why.code == MLX_ERR_NOT_FOUND && !mlx_env_get(self->env, "MLX_CONFIG"))
        return 0;
    if (err)
        *err = why;
    return -1;
}

mlx_config_t *mlx_config_open(const mlx_env_t *env, const char *path, mlx_error_t *err)
{
    mlx_config_t *self = mlx_config_new(env);
    if (load_usual_file(self, path, err) || mlx_config_load_env(self, err))
        mlx_config_destroy(&self);
    return self;
}

static const slot_t *slot_of(const mlx_config_t *self, const char *key)
{
    size_t index;
    if (!find(key, &index))
        mlx_panic("there is no setting \"%s\"", key);
    return &self->slots[index];
}

static void must(bool fits, const char *key)
{
    if (!fits)
        mlx_panic("setting \"%s\" was read with the wrong type", key);
}

bool mlx_config_bool(const mlx_config_t *self, const char *key)
{
    bool value = false;
    must(mlx_value_as_bool(slot_of(self, key)->value, &value), key);
    return value;
}

int64_t mlx_config_int(const mlx_config_t *self, const char *key)
{
    int64_t value = 0;
    must(mlx_value_as_int(slot_of(self, key)->value, &value), key);
    return value;
}

double mlx_config_real(const mlx_config_t *self, const char *key)
{
    double value = 0;
    must(mlx_value_as_real(slot_of(self, key)->value, &value), key);
    return value;
}

const char *mlx_config_str(const mlx_config_t *self, const char *key)
{
    const slot_t *slot = slot_of(self, key);
    must(!slot->value || mlx_value_type(slot->value) == MLX_STR, key);
    return mlx_value_as_str(slot->value, NULL);
}

const mlx_value_t *mlx_config_value(const mlx_config_t *self, const char *key)
{
    return slot_of(self, key)->value;
}

const char *mlx_config_path(const mlx_config_t *self)
{
    return self->path;
}

/*  The cache's daemon also uses what its command line uses. */
static bool uses(const char *program, const mlx_setting_t *setting)
{
    bool cache = strcmp(program, "mlx-cached") == 0 && strcmp(setting->used_by, "mlx-cache") == 0;
    return cache || strcmp(setting->used_by, program) == 0 || strcmp(setting->used_by, "all") == 0;
}

char *mlx_config_difference(const mlx_config_t *a, const mlx_config_t *b, const char *program)
{
    mlx_buf_t keys = {0};
    for (size_t i = 0; i < mlx_settings_count; i++)
        if (uses(program, &mlx_settings[i]) && (a->slots[i].value || b->slots[i].value) &&
            !mlx_value_equal(a->slots[i].value, b->slots[i].value))
            mlx_buf_printf(&keys, "%s%s", keys.len ? ", " : "", mlx_settings[i].key);
    return keys.len ? mlx_buf_take(&keys) : NULL;
}

mlx_value_t *mlx_config_describe(const mlx_config_t *self)
{
    static const char *const names[] = {[FROM_DEFAULT] = "default",
                                        [FROM_FILE] = "file",
                                        [FROM_ENVIRONMENT] = "environment",
                                        [FROM_FLAG] = "flag"};
    mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; i < mlx_settings_count; i++) {
        const slot_t *slot = &self->slots[i];
        mlx_value_t *map = mlx_value_append(list, mlx_value_map());
        mlx_value_set_str(map, "key", mlx_settings[i].key);
        if (slot->value)
            mlx_value_set(map, "value", mlx_value_copy(slot->value));
        mlx_value_set_str(map, "source", names[slot->source]);
        mlx_value_set_str(map, "place", slot->place);
        mlx_value_set_str(map, "used_by", mlx_settings[i].used_by);
        mlx_value_set_str(map, "help", mlx_settings[i].help);
    }
    return list;
}

static void write_setting(mlx_buf_t *out, const mlx_setting_t *setting, const char *indent)
{
    const char *dot = strchr(setting->key, '.');
    mlx_buf_printf(out, "%s# %s", indent, setting->help);
    if (setting->words)
        mlx_buf_printf(out, " One of %s.", setting->words);
    if (setting->min < setting->max)
        mlx_buf_printf(out, " %.10g to %.10g.", setting->min, setting->max);
    mlx_buf_printf(out, " (%s)\n%s#%s: %s\n", setting->used_by, indent,
                   dot ? dot + 1 : setting->key,
                   setting->fallback ? setting->fallback : setting->example);
}

/*  The section that KEY is in, or NULL. */
static const char *section_of(const char *key)
{
    const char *dot = strchr(key, '.'), *section;
    for (size_t i = 0; dot && (section = mlx_settings_section(i)); i++)
        if (strlen(section) == (size_t)(dot - key) && strncmp(section, key, strlen(section)) == 0)
            return section;
    return NULL;
}

void mlx_config_write_example(mlx_buf_t *out)
{
    mlx_buf_puts(out, "# Settings of the MLX Infrastructure Suite. Remove a # before a setting to"
                      " change it.\n# The environment overrides this file: MLX_SAMPLER_RATE_HZ"
                      " over sampler.rate_hz.\n\n");
    const char *last = NULL;
    for (size_t i = 0; i < mlx_settings_count; i++) {
        const char *section = section_of(mlx_settings[i].key);
        if (section && section != last)
            mlx_buf_printf(out, "\n# %s\n%s:\n", mlx_settings_section_help(section), section);
        last = section;
        write_setting(out, &mlx_settings[i], section ? "  " : "");
    }
}
