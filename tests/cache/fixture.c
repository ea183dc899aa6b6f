#include "tests/cache/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *fixture_dir(void)
{
    const char *base = getenv("TMPDIR");
    char *dir = mlx_format("%s/mlx-cache-test.XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(dir))
        mlx_panic("mkdtemp %s: %s", dir, strerror(errno));
    return dir;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
    (void)st;
    (void)flag;
    (void)walk;
    return remove(path);
}

void fixture_remove(char **dir)
{
    if (*dir)
        nftw(*dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*dir);
    *dir = NULL;
}

char *fixture_path(const char *dir, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    MLX_CLEANUP(mlx_free_p) char *rest = mlx_vformat(fmt, args);
    va_end(args);
    return mlx_format("%s/%s", dir, rest);
}

static void make_parents(const char *path)
{
    MLX_CLEANUP(mlx_free_p) char *copy = mlx_strdup(path);
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0755) != 0 && errno != EEXIST)
            mlx_panic("mkdir %s: %s", copy, strerror(errno));
        *slash = '/';
    }
}

void fixture_write(const char *path, const void *data, size_t len)
{
    make_parents(path);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, len, file) != len || fclose(file) != 0)
        mlx_panic("write %s: %s", path, strerror(errno));
}

void fixture_read(const char *path, mlx_buf_t *out)
{
    mlx_buf_reset(out);
    FILE *file = fopen(path, "rb");
    if (!file)
        return;
    char chunk[65536];
    for (size_t got; (got = fread(chunk, 1, sizeof chunk, file)) > 0;)
        mlx_buf_append(out, chunk, got);
    fclose(file);
}

static void put_little(mlx_buf_t *out, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        mlx_buf_putc(out, (char)(value >> (8 * i) & 0xff));
}

void put_u32(mlx_buf_t *out, uint32_t value)
{
    put_little(out, value, 4);
}

void put_u64(mlx_buf_t *out, uint64_t value)
{
    put_little(out, value, 8);
}

void put_str(mlx_buf_t *out, const char *s)
{
    put_u64(out, strlen(s));
    mlx_buf_puts(out, s);
}

static void put_values(mlx_buf_t *out, size_t elements, unsigned seed)
{
    for (size_t i = 0; i < elements; i++)
        put_u32(out, seed * 2654435761u + (uint32_t)i * 40503u);
}

void fixture_gguf(mlx_buf_t *out, size_t elements, unsigned seed)
{
    size_t start = out->len;
    mlx_buf_puts(out, "GGUF");
    put_u32(out, 3);
    put_u64(out, 1);
    put_u64(out, 5);
    put_str(out, "general.architecture");
    put_u32(out, 8);
    put_str(out, "llama");
    put_str(out, "llama.context_length");
    put_u32(out, 4);
    put_u32(out, 2048);
    put_str(out, "general.file_type");
    put_u32(out, 4);
    put_u32(out, 15);
    put_str(out, "tokenizer.ggml.tokens");
    put_u32(out, 9);
    put_u32(out, 8);
    put_u64(out, 2);
    put_str(out, "hello");
    put_str(out, "world");
    put_str(out, "tokenizer.chat_template");
    put_u32(out, 8);
    put_str(out, "{{ messages }}");
    put_str(out, "token_embd.weight");
    put_u32(out, 1);
    put_u64(out, elements);
    put_u32(out, 0);
    put_u64(out, 0);
    while ((out->len - start) % 32)
        mlx_buf_putc(out, '\0');
    put_values(out, elements, seed);
}

void fixture_safetensors(mlx_buf_t *out, size_t elements, unsigned seed)
{
    MLX_CLEANUP(mlx_free_p)
    char *json = mlx_format("{\"__metadata__\":{\"format\":\"mlx\"},\"w\":{\"dtype\":\"F32\","
                            "\"shape\":[%zu],\"data_offsets\":[0,%zu]}}",
                            elements, elements * 4);
    put_u64(out, strlen(json));
    mlx_buf_puts(out, json);
    put_values(out, elements, seed);
}
