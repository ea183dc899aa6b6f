#include "services/cache/plan/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {
    [MLX_STEP_MKDIR] = "mkdir",     [MLX_STEP_PLACE] = "place",     [MLX_STEP_WRITE] = "write",
    [MLX_STEP_SYMLINK] = "symlink", [MLX_STEP_REPLACE] = "replace", [MLX_STEP_REMOVE] = "remove",
};

static const char *const states[] = {
    [MLX_STATE_PLANNED] = "planned", [MLX_STATE_STAGED] = "staged",   [MLX_STATE_DONE] = "done",
    [MLX_STATE_UNDONE] = "undone",   [MLX_STATE_SKIPPED] = "skipped",
};

static const struct {
    mlx_method_t method;
    const char *name;
} methods[] = {
    {MLX_METHOD_CLONE, "clone"},
    {MLX_METHOD_HARDLINK, "hardlink"},
    {MLX_METHOD_SYMLINK, "symlink"},
    {MLX_METHOD_COPY, "copy"},
};

const char *mlx_cache_step_name(mlx_cache_step_kind_t kind)
{
    return kinds[kind];
}

const char *mlx_state_name(mlx_cache_step_state_t state)
{
    return states[state];
}

const char *mlx_method_name(mlx_method_t method)
{
    for (size_t i = 0; i < MLX_COUNT(methods); i++)
        if (methods[i].method == method)
            return methods[i].name;
    return "";
}

/*  Index of NAME or -1: a journal row is outside input too. */
static int index_of(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; name && i < count; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

int mlx_cache_step_kind(const char *name)
{
    return index_of(kinds, MLX_COUNT(kinds), name);
}

int mlx_state(const char *name)
{
    return index_of(states, MLX_COUNT(states), name);
}

mlx_method_t mlx_method(const char *name)
{
    for (size_t i = 0; name && i < MLX_COUNT(methods); i++)
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].method;
    return MLX_METHOD_NONE;
}

mlx_cache_plan_t *mlx_cache_plan_new(const char *kind, const char *model, const char *app)
{
    mlx_cache_plan_t *self = mlx_alloc(1, sizeof *self);
    self->kind = mlx_strdup(kind);
    self->model = mlx_strdup(model);
    self->app = mlx_strdup(app);
    return self;
}

static void step_clear(mlx_cache_step_t *step)
{
    free(step->root);
    free(step->path);
    free(step->stage);
    free(step->source_root);
    free(step->source);
    free(step->data);
}

void mlx_cache_plan_destroy(mlx_cache_plan_t **self)
{
    mlx_cache_plan_t *plan = *self;
    *self = NULL;
    if (!plan)
        return;
    for (size_t i = 0; i < plan->count; i++)
        step_clear(&plan->steps[i]);
    free(plan->steps);
    free(plan->kind);
    free(plan->model);
    free(plan->app);
    free(plan->volume);
    free(plan->record);
    free(plan->reason);
    free(plan);
}

mlx_cache_step_t *mlx_cache_plan_add(mlx_cache_plan_t *self, mlx_cache_step_kind_t kind,
                                     const char *root, const char *path)
{
    self->steps = mlx_grow(self->steps, self->count, sizeof *self->steps);
    mlx_cache_step_t *step = &self->steps[self->count++];
    *step = (mlx_cache_step_t){.kind = kind, .root = mlx_strdup(root), .path = mlx_strdup(path)};
    return step;
}

void mlx_cache_plan_mkdir(mlx_cache_plan_t *self, const char *root, const char *path)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->steps[i].kind == MLX_STEP_MKDIR && strcmp(self->steps[i].root, root) == 0 &&
            strcmp(self->steps[i].path, path) == 0)
            return;
    mlx_cache_plan_add(self, MLX_STEP_MKDIR, root, path);
}

void mlx_cache_plan_place(mlx_cache_plan_t *self, const char *root, const char *path,
                          const char *stage, const char *source_root, const char *source,
                          const char *sha256, uint64_t size, unsigned allowed)
{
    mlx_cache_step_t *step = mlx_cache_plan_add(self, MLX_STEP_PLACE, root, path);
    step->stage = mlx_strdup(stage);
    step->source_root = mlx_strdup(source_root);
    step->source = mlx_strdup(source);
    snprintf(step->sha256, sizeof step->sha256, "%s", sha256);
    step->size = size;
    step->methods = allowed;
}

void mlx_cache_plan_write(mlx_cache_plan_t *self, const char *root, const char *path,
                          const char *stage, const void *data, size_t len)
{
    mlx_cache_step_t *step = mlx_cache_plan_add(self, MLX_STEP_WRITE, root, path);
    step->stage = mlx_strdup(stage);
    step->data = mlx_strndup(len ? data : "", len);
    step->len = len;
    step->size = len;
    mlx_sha256_hex(step->data, len, step->sha256);
}

void mlx_cache_plan_symlink(mlx_cache_plan_t *self, const char *root, const char *path,
                            const char *stage, const char *target)
{
    mlx_cache_step_t *step = mlx_cache_plan_add(self, MLX_STEP_SYMLINK, root, path);
    step->stage = mlx_strdup(stage);
    step->source = mlx_strdup(target);
}

char *mlx_cache_step_temporary(int64_t id, size_t seq, const mlx_cache_step_t *step)
{
    const char *slash = strrchr(step->path, '/');
    const char *name = slash ? slash + 1 : step->path;
    const char *stage = step->stage ? step->stage : "";
    return mlx_format("%s%s%.80s.%05llx%03zx.incomplete", stage, *stage ? "/" : "", name,
                      (unsigned long long)id & 0xfffff, seq & 0xfff);
}

static mlx_value_t *step_value(const mlx_cache_step_t *step)
{
    mlx_value_t *value = mlx_value_map();
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", step->root, step->path);
    mlx_value_set_str(value, "action", mlx_cache_step_name(step->kind));
    mlx_value_set_str(value, "path", path);
    if (step->kind == MLX_STEP_SYMLINK)
        mlx_value_set_str(value, "target", step->source);
    if (step->source_root) {
        MLX_CLEANUP(mlx_free_p) char *from = mlx_format("%s/%s", step->source_root, step->source);
        mlx_value_set_str(value, "source", from);
    }
    if (step->kind != MLX_STEP_MKDIR && step->kind != MLX_STEP_SYMLINK)
        mlx_value_set_int(value, "size", (int64_t)step->size);
    if (step->sha256[0])
        mlx_value_set_str(value, "sha256", step->sha256);
    if (step->method)
        mlx_value_set_str(value, "method", mlx_method_name(step->method));
    mlx_value_set_str(value, "state", mlx_state_name(step->state));
    if (step->why[0])
        mlx_value_set_str(value, "why", step->why);
    return value;
}

mlx_value_t *mlx_cache_plan_value(const mlx_cache_plan_t *self)
{
    mlx_value_t *value = mlx_value_map();
    mlx_value_set_str(value, "operation", self->kind);
    mlx_value_set_str(value, "model", self->model);
    mlx_value_set_str(value, "app", self->app);
    if (self->id)
        mlx_value_set_int(value, "id", self->id);
    mlx_value_t *steps = mlx_value_set(value, "steps", mlx_value_list());
    for (size_t i = 0; i < self->count; i++)
        mlx_value_append(steps, step_value(&self->steps[i]));
    return value;
}
