/*  Before a model becomes visible its content is looked at: what could run code when an app loads
 *  it is refused, unless the user trusts it, and its licence is kept. */
#include "services/cache/commands/internal.h"

#include "common/base/json.h"
#include "services/cache/content/content.h"
#include "services/cache/store/notes.h"

#include <stdlib.h>
#include <string.h>

static void inspect_file(mlx_cache_t *self, mlx_content_t *content, const mlx_model_file_t *file)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_blob_path(file->sha256);
    MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(self->home, path, NULL);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return; /* a missing file is another check's concern */
    const mlx_source_t source = mlx_source_fd(fd, (uint64_t)st.st_size);
    mlx_content_check(content, file->path, &source);
}

/*  The same files were accepted before: nothing becomes visible that was not. */
static bool is_known(mlx_cache_t *self, const mlx_model_t *model)
{
    MLX_CLEANUP(mlx_model_destroy)
    mlx_model_t *old = mlx_registry_get_model(self->db, model->name, NULL);
    for (size_t i = 0; old && i < model->count; i++) {
        bool same = false;
        for (size_t k = 0; k < old->count && !same; k++)
            same = strcmp(old->files[k].path, model->files[i].path) == 0 &&
                   strcmp(old->files[k].sha256, model->files[i].sha256) == 0;
        if (!same)
            return false;
    }
    return old != NULL;
}

static int refuse(const mlx_model_t *model, const mlx_risks_t *found, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p)
    char *more = found->refused > 1 ? mlx_format(" (and %zu more)", found->refused - 1) : NULL;
    mlx_error_set(err, MLX_ERR_FAILED,
                  "%.100s could run code or reach other files when it is loaded: %s%s", model->name,
                  found->first, more ? more : "");
    return mlx_error_hint(err, "if you trust where it comes from, run the command with --trust; "
                               "safetensors and GGUF files cannot run code");
}

mlx_value_t *mlx_cache_inspect(mlx_cache_t *self, const mlx_model_t *model, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) const char **names = mlx_alloc(model->count + 1, sizeof *names);
    for (size_t i = 0; i < model->count; i++)
        names[i] = model->files[i].path;
    mlx_value_t *notes = mlx_value_map();
    mlx_content_t content = {.names = names,
                             .count = model->count,
                             .found = {.list = mlx_value_set(notes, "findings", mlx_value_list())}};
    for (size_t i = 0; i < model->count; i++)
        inspect_file(self, &content, &model->files[i]);
    if (content.found.refused && !self->options.safety.trust && !is_known(self, model)) {
        refuse(model, &content.found, err);
        mlx_value_destroy(&notes);
        return NULL;
    }
    if (content.license[0])
        mlx_value_set_str(notes, "license", content.license);
    return notes;
}

int mlx_cache_keep_notes(mlx_cache_t *self, const char *model, const mlx_value_t *notes,
                         mlx_error_t *err)
{
    const mlx_value_t *findings = mlx_value_get(notes, "findings");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t json = {0};
    if (mlx_value_size(findings))
        mlx_json_write(&json, findings, false);
    return mlx_notes_put(self->db, model, "license", mlx_value_str(notes, "license"), err) ||
                   mlx_notes_put(self->db, model, "findings", json.len ? mlx_buf_str(&json) : NULL,
                                 err)
               ? -1
               : 0;
}

void mlx_cache_add_notes(mlx_cache_t *self, const char *model, mlx_value_t *report)
{
    MLX_CLEANUP(mlx_free_p) char *license = mlx_notes_get(self->db, model, "license");
    MLX_CLEANUP(mlx_free_p) char *text = mlx_notes_get(self->db, model, "findings");
    mlx_value_t *findings = text ? mlx_json_parse(text, strlen(text), NULL) : NULL;
    mlx_value_set_str(report, "license", license);
    if (findings)
        mlx_value_set(report, "findings", findings);
}

int mlx_cache_publish_again(mlx_cache_t *self, const mlx_model_t *model, mlx_error_t *err)
{
    bool trust = self->options.safety.trust;
    self->options.safety.trust = true;
    int rc = mlx_cache_publish(self, model, err);
    self->options.safety.trust = trust;
    return rc;
}
