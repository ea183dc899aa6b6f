#include "tests/cache/double.h"

#include "services/cache/model/manifest.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void start(double_t *self)
{
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        mlx_panic("pipe");
    self->pid = fork();
    if (self->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execlp("python3", "python3", "tests/cache/hub_double.py", self->folder, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    self->input = in[1];
    FILE *answer = fdopen(out[0], "r");
    if (fscanf(answer, "%d", &self->port) != 1)
        mlx_panic("the hub's double did not start");
    fclose(answer);
}

static void set_variable(world_t *w, const char *name, const char *value)
{
    size_t i = 0;
    while (w->variables[i])
        i += 2;
    w->variables[i] = name;
    w->variables[i + 1] = value;
}

double_t *double_new(world_t *world)
{
    double_t *self = mlx_alloc(1, sizeof *self);
    self->folder = world_path(world, "hub");
    MLX_CLEANUP(mlx_free_p) char *log = fixture_path(self->folder, ".log");
    fixture_write(log, "", 0);
    start(self);
    self->endpoint = mlx_format("http://127.0.0.1:%d", self->port);
    set_variable(world, "HF_ENDPOINT", self->endpoint);
    set_variable(world, "HF_TOKEN", "hf_secret");
    return self;
}

void double_destroy(double_t **self)
{
    double_t *d = *self;
    *self = NULL;
    close(d->input);
    waitpid(d->pid, NULL, 0);
    free(d->folder);
    free(d->endpoint);
    free(d);
}

void double_file(const double_t *self, const char *repo, const char *name, const void *data,
                 size_t len)
{
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(self->folder, "%s/%s", repo, name);
    fixture_write(path, data, len);
}

void double_mlx_repo(const double_t *self, const char *repo, size_t elements, unsigned seed)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    mlx_buf_printf(&content, "{\"model_type\":\"llama\",\"seed\":%u}", seed);
    double_file(self, repo, "config.json", content.data, content.len);
    double_file(self, repo, "tokenizer.json", "{}", 2);
    double_file(self, repo, "README.md", "read me", 7);
    for (unsigned i = 0; i < 2; i++) {
        MLX_CLEANUP(mlx_free_p) char *name = mlx_format("model-0000%u-of-00002.safetensors", i + 1);
        mlx_buf_reset(&content);
        fixture_safetensors(&content, elements, seed * 10 + i);
        double_file(self, repo, name, content.data, content.len);
    }
}

static void registry_blob(const double_t *self, const mlx_buf_t *content, char hex[MLX_HEX_MAX])
{
    mlx_sha256_hex(content->data, content->len, hex);
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(self->folder, ".ollama/blobs/%s", hex);
    fixture_write(path, content->data, content->len);
}

void double_ollama_model(const double_t *self, const char *name, size_t elements, unsigned seed,
                         char hex[MLX_HEX_MAX])
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    char config[MLX_HEX_MAX];
    mlx_buf_printf(&content, "{\"model_format\":\"gguf\",\"seed\":%u}", seed);
    size_t config_size = content.len;
    registry_blob(self, &content, config);
    mlx_buf_reset(&content);
    fixture_gguf(&content, elements, seed);
    registry_blob(self, &content, hex);
    MLX_CLEANUP(mlx_free_p)
    char *json = mlx_format("{\"schemaVersion\":2,\"mediaType\":\"" MLX_MANIFEST_TYPE
                            "\",\"config\":{\"mediaType\":\"" MLX_LAYER_CONFIG
                            "\",\"digest\":\"sha256:%s\",\"size\":%zu},\"layers\":[{\"mediaType\":"
                            "\"" MLX_LAYER_MODEL "\",\"digest\":\"sha256:%s\",\"size\":%zu}]}",
                            config, config_size, hex, content.len);
    MLX_CLEANUP(mlx_free_p)
    char *path = fixture_path(self->folder, ".ollama/library/%s/latest.json", name);
    fixture_write(path, json, strlen(json));
}

void double_as_ollama(const double_t *self, world_t *world, const char *store)
{
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(self->folder, ".store");
    fixture_write(path, store ? store : "", store ? strlen(store) : 0);
    for (size_t i = 0; world->variables[i]; i += 2)
        if (strcmp(world->variables[i], "OLLAMA_HOST") == 0)
            world->variables[i + 1] = self->endpoint;
}

void double_faults(const double_t *self, const char *lines)
{
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(self->folder, ".faults");
    fixture_write(path, lines, strlen(lines));
}

size_t double_requests(const double_t *self, const char *part)
{
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(self->folder, ".log");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t log = {0};
    fixture_read(path, &log);
    size_t count = 0;
    char *rest = NULL;
    for (char *line = strtok_r(log.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        count += strstr(line, part) != NULL;
    return count;
}
