/*  Which server a program is, by its name and arguments: no request is needed for that. */
#include "common/runtime/runtime.h"

#include <stdlib.h>
#include <string.h>

/*  PATTERN may begin or end with a '*'. */
static bool fits(const char *pattern, const char *name)
{
    size_t len = strlen(pattern), name_len = strlen(name);
    if (pattern[0] == '*')
        return name_len >= len - 1 && !strcmp(name + name_len - (len - 1), pattern + 1);
    if (len && pattern[len - 1] == '*')
        return !strncmp(name, pattern, len - 1);
    return !strcmp(name, pattern);
}

static bool has_word(size_t argc, const char *const *argv, const char *word)
{
    for (size_t i = 1; i < argc; i++)
        if (!strcmp(argv[i] + strspn(argv[i], "-"), word))
            return true;
    return false;
}

const mlx_runtime_backend_t *mlx_runtime_of_program(const char *name, size_t argc,
                                                    const char *const *argv, bool *vague)
{
    size_t count;
    const mlx_runtime_backend_t *const *all = mlx_runtime_backends(&count);
    for (size_t i = 0; i < count; i++)
        for (const mlx_runtime_program_t *p = all[i]->programs; p && p->name; p++)
            if (fits(p->name, name) && (!p->word || has_word(argc, argv, p->word))) {
                *vague = p->vague;
                return all[i];
            }
    return NULL;
}

bool mlx_runtime_usual_port(const mlx_runtime_backend_t *backend, uint16_t port)
{
    for (size_t i = 0; i < MLX_COUNT(backend->ports); i++)
        if (backend->ports[i] && backend->ports[i] == port)
            return true;
    return false;
}

const char *mlx_runtime_usual_probe(uint16_t port)
{
    size_t count;
    const mlx_runtime_backend_t *const *all = mlx_runtime_backends(&count);
    for (size_t i = 0; i < count; i++)
        if (mlx_runtime_usual_port(all[i], port))
            return all[i]->probe_path;
    return NULL;
}

/*  The port in "8080", ":8080" or "127.0.0.1:8080"; 0: none. */
static uint16_t port_in(const char *text)
{
    const char *colon = strrchr(text, ':');
    char *end;
    const char *digits = colon ? colon + 1 : text;
    long port = strtol(digits, &end, 10);
    return *digits && !*end && port > 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
}

bool mlx_runtime_names_other_port(size_t argc, const char *const *argv, uint16_t port)
{
    static const char *const options[] = {"port", "p", "api-port", "listen", "address"};
    bool other = false;
    for (size_t i = 1; i < argc; i++) {
        const char *name = argv[i] + strspn(argv[i], "-");
        size_t len = strcspn(name, "=");
        const char *value = name[len] ? name + len + 1 : i + 1 < argc ? argv[i + 1] : "";
        for (size_t o = 0; o < MLX_COUNT(options) && argv[i][0] == '-'; o++) {
            if (strlen(options[o]) != len || strncmp(options[o], name, len) != 0)
                continue;
            uint16_t named = port_in(value);
            if (named == port)
                return false;
            other = other || named;
        }
    }
    return other;
}
