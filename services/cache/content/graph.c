/*  ONNX graphs: tensors whose files are not the model's, and operators that only a library has. */
#include "services/cache/content/content.h"
#include "services/cache/content/onnx.h"

#include <stdlib.h>
#include <string.h>

enum {
    DOMAINS_MAX = 16 /* told; the rest is more of the same */
};

typedef struct {
    mlx_content_t *content;
    const char *name;
    char *foreign[DOMAINS_MAX], *own[DOMAINS_MAX];
    size_t foreign_count, own_count;
} graph_t;

static void on_location(void *arg, const char *location)
{
    graph_t *g = arg;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_onnx_data_path(g->name, location);
    if (!path)
        mlx_found(&g->content->found, true, "external_data",
                  "takes a tensor from %s, outside of its folder",
                  *location ? location : "a path that cannot be one");
}

static void keep(char **list, size_t *count, const char *domain)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(list[i], domain) == 0)
            return;
    if (*count < DOMAINS_MAX)
        list[(*count)++] = mlx_strdup(domain);
}

static void on_domain(void *arg, const char *domain)
{
    static const char *const known[] = {"ai.onnx", "com.microsoft", "org.pytorch.aten"};
    graph_t *g = arg;
    for (size_t i = 0; i < MLX_COUNT(known); i++) {
        size_t len = strlen(known[i]);
        if (strncmp(domain, known[i], len) == 0 && (!domain[len] || domain[len] == '.'))
            return;
    }
    keep(g->foreign, &g->foreign_count, domain);
}

static void on_own_domain(void *arg, const char *domain)
{
    graph_t *g = arg;
    keep(g->own, &g->own_count, domain);
}

/*  Functions come behind the graph that uses them. */
static void tell_foreign(graph_t *g)
{
    for (size_t i = 0; i < g->foreign_count; i++) {
        bool own = false;
        for (size_t k = 0; k < g->own_count && !own; k++)
            own = strcmp(g->foreign[i], g->own[k]) == 0;
        if (!own)
            mlx_found(&g->content->found, false, "domain",
                      "needs operators of %s, which come from a library of its own", g->foreign[i]);
    }
}

void mlx_content_graph(mlx_content_t *self, const char *name, const mlx_source_t *source)
{
    graph_t g = {.content = self, .name = name};
    const mlx_onnx_visitor_t visitor = {
        .location = on_location, .domain = on_domain, .own_domain = on_own_domain, .arg = &g};
    mlx_onnx_end_t end = mlx_onnx_walk(source, &visitor);
    if (end == MLX_ONNX_TOO_BIG)
        mlx_found(&self->found, true, "graph", "is too large or too deep to be checked");
    if (end == MLX_ONNX_BROKEN)
        mlx_found(&self->found, false, "graph", "is not an ONNX graph that a program could load");
    tell_foreign(&g);
    for (size_t i = 0; i < DOMAINS_MAX; i++) {
        free(g.foreign[i]);
        free(g.own[i]);
    }
}
