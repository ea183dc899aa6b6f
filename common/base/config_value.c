#include "common/base/config_value.h"

#include "common/base/paths.h"
#include "common/base/suggest.h"
#include "proto/catalogue.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    MAX_TEXT = 4096
};

/*  What every conversion needs. */
typedef struct {
    const mlx_setting_t *setting;
    const mlx_yaml_t *node;
    const char *name;
    const mlx_env_t *env;
    mlx_error_t *err;
} job_t;

static mlx_value_t *convert(const job_t *job);

static mlx_value_t *refuse(const job_t *job, const char *wanted)
{
    const mlx_yaml_t *node = job->node;
    if (node->type == MLX_STR && !job->setting->secret)
        mlx_yaml_error(job->err, job->name, node, "%s is \"%.64s\", but must be %s",
                       job->setting->key, node->text, wanted);
    else
        mlx_yaml_error(job->err, job->name, node, "%s must be %s", job->setting->key, wanted);
    return NULL;
}

static mlx_value_t *refuse_type(const job_t *job)
{
    return refuse(job, mlx_setting_type_name(job->setting->type));
}

static mlx_value_t *to_bool(const job_t *job)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true},   {"yes", true}, {"on", true},   {"1", true},
                 {"false", false}, {"no", false}, {"off", false}, {"0", false}};
    for (size_t i = 0; i < MLX_COUNT(words); i++)
        if (strcasecmp(job->node->text, words[i].word) == 0)
            return mlx_value_new_bool(words[i].value);
    return refuse_type(job);
}

static bool in_range(const mlx_setting_t *setting, double number)
{
    return setting->min >= setting->max || (number >= setting->min && number <= setting->max);
}

static mlx_value_t *refuse_range(const job_t *job)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "%.10g to %.10g", job->setting->min, job->setting->max);
    return refuse(job, wanted);
}

static mlx_value_t *to_int(const job_t *job)
{
    char *end;
    errno = 0;
    long long number = strtoll(job->node->text, &end, 10);
    if (end == job->node->text || *end || errno)
        return refuse_type(job);
    if (!in_range(job->setting, (double)number))
        return refuse_range(job);
    return mlx_value_new_int(number);
}

static mlx_value_t *to_real(const job_t *job)
{
    char *end;
    double number = strtod(job->node->text, &end);
    if (end == job->node->text || *end || !isfinite(number))
        return refuse_type(job);
    if (!in_range(job->setting, number))
        return refuse_range(job);
    return mlx_value_new_real(number);
}

static bool is_printable(const char *text)
{
    size_t len = 0;
    for (; text[len]; len++)
        if ((unsigned char)text[len] < 0x20 || text[len] == 0x7f)
            return false;
    return len <= MAX_TEXT;
}

static mlx_value_t *to_str(const job_t *job)
{
    if (!job->node->text[0] || !is_printable(job->node->text))
        return refuse(job, "a single-line string");
    return mlx_value_new_str(job->node->text);
}

static mlx_value_t *to_name(const job_t *job)
{
    if (!mlx_name_valid(job->node->text, strlen(job->node->text)))
        return refuse_type(job);
    return mlx_value_new_str(job->node->text);
}

static mlx_value_t *to_word(const job_t *job)
{
    mlx_suggest_t near = {.word = job->node->text};
    MLX_CLEANUP(mlx_free_p) char *words = mlx_strdup(job->setting->words);
    char *rest = words;
    for (char *word; (word = strsep(&rest, "|"));) {
        if (strcmp(word, job->node->text) == 0)
            return mlx_value_new_str(word);
        mlx_suggest_try(&near, word);
    }
    MLX_CLEANUP(mlx_free_p) char *wanted = mlx_format("one of %s", job->setting->words);
    refuse(job, wanted);
    if (near.best)
        mlx_error_hint(job->err, "did you mean \"%s\"?", near.best);
    return NULL;
}

static mlx_value_t *to_path(const job_t *job)
{
    if (!is_printable(job->node->text))
        return refuse_type(job);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_paths_expand(job->env, job->node->text, job->err);
    if (!path)
        return NULL;
    return path[0] == '/' ? mlx_value_new_str(path) : refuse_type(job);
}

static mlx_value_t *to_list(const job_t *job)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; i < job->node->count; i++) {
        job_t item = *job;
        item.node = job->node->items[i];
        if (item.node->type != MLX_STR)
            return refuse_type(&item);
        mlx_value_t *text = to_str(&item);
        if (!text)
            return NULL;
        mlx_value_append(list, text);
    }
    mlx_value_t *done = list;
    list = NULL;
    return done;
}

static const mlx_setting_t *find_field(const job_t *job, const mlx_yaml_t *key)
{
    mlx_suggest_t near = {.word = key->text};
    for (const mlx_setting_t *field = job->setting->fields; field->key; field++) {
        if (strcmp(field->key, key->text) == 0)
            return field;
        mlx_suggest_try(&near, field->key);
    }
    mlx_yaml_error(job->err, job->name, key, "%s has no field \"%.64s\"", job->setting->key,
                   key->text);
    if (near.best)
        mlx_error_hint(job->err, "did you mean \"%s\"?", near.best);
    return NULL;
}

static int fill_map(const job_t *job, mlx_value_t *map)
{
    for (size_t i = 0; i + 1 < job->node->count; i += 2) {
        const mlx_setting_t *field = find_field(job, job->node->items[i]);
        if (!field)
            return -1;
        job_t item = *job;
        item.setting = field;
        item.node = job->node->items[i + 1];
        mlx_value_t *value = convert(&item);
        if (!value)
            return -1;
        mlx_value_set(map, field->key, value);
    }
    for (const mlx_setting_t *field = job->setting->fields; field->key; field++)
        if (field->required && !mlx_value_get(map, field->key))
            return mlx_yaml_error(job->err, job->name, job->node, "this entry of %s lacks \"%s\"",
                                  job->setting->key, field->key);
    return 0;
}

static mlx_value_t *to_maps(const job_t *job)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; i < job->node->count; i++) {
        job_t item = *job;
        item.node = job->node->items[i];
        if (item.node->type != MLX_MAP)
            return refuse_type(&item);
        if (fill_map(&item, mlx_value_append(list, mlx_value_map())))
            return NULL;
    }
    mlx_value_t *done = list;
    list = NULL;
    return done;
}

static mlx_value_t *convert(const job_t *job)
{
    static const struct {
        mlx_type_t node;
        mlx_value_t *(*to)(const job_t *job);
    } kinds[] = {
        [MLX_SETTING_BOOL] = {MLX_STR, to_bool},  [MLX_SETTING_INT] = {MLX_STR, to_int},
        [MLX_SETTING_REAL] = {MLX_STR, to_real},  [MLX_SETTING_STR] = {MLX_STR, to_str},
        [MLX_SETTING_NAME] = {MLX_STR, to_name},  [MLX_SETTING_WORD] = {MLX_STR, to_word},
        [MLX_SETTING_PATH] = {MLX_STR, to_path},  [MLX_SETTING_LIST] = {MLX_LIST, to_list},
        [MLX_SETTING_MAPS] = {MLX_LIST, to_maps},
    };
    if (job->node->type != kinds[job->setting->type].node)
        return refuse_type(job);
    return kinds[job->setting->type].to(job);
}

mlx_value_t *mlx_config_convert(const mlx_setting_t *setting, const mlx_yaml_t *node,
                                const char *name, const mlx_env_t *env, mlx_error_t *err)
{
    job_t job = {setting, node, name, env, err};
    return convert(&job);
}

/*  "a, b" becomes the YAML list of its parts; what looks like YAML stays. */
static char *list_text(const char *text)
{
    return text[0] == '[' ? mlx_strdup(text) : mlx_format("[%s]", text);
}

mlx_value_t *mlx_config_convert_text(const mlx_setting_t *setting, const char *text,
                                     const char *name, const mlx_env_t *env, mlx_error_t *err)
{
    bool list = setting->type == MLX_SETTING_LIST || setting->type == MLX_SETTING_MAPS;
    if (!list) {
        MLX_CLEANUP(mlx_free_p) char *copy = mlx_strdup(text);
        mlx_yaml_t scalar = {.type = MLX_STR, .text = copy};
        return mlx_config_convert(setting, &scalar, name, env, err);
    }
    MLX_CLEANUP(mlx_free_p) char *yaml = list_text(text);
    MLX_CLEANUP(mlx_yaml_destroy) mlx_yaml_t *node = mlx_yaml_parse(yaml, strlen(yaml), name, err);
    return node ? mlx_config_convert(setting, node, name, env, err) : NULL;
}
