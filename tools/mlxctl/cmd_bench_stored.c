#include "cmd_bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench_compare.h"
#include "common/base/json.h"
#include "seal.h"

enum {
    LIST_TIMEOUT_MS = 5000
};

mlx_value_t *mlx_bench_stored_list(mlx_ctl_t *ctl, const char *model, const char *id,
                                   mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *request = mlx_value_map();
    mlx_value_set_str(request, "model", model);
    mlx_value_set_str(request, "id", id);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *reply = mlx_ctl_call(ctl, "recorder", "bench.list", request, LIST_TIMEOUT_MS, err);
    const mlx_value_t *list = mlx_value_get(reply, "results");
    return !reply ? NULL : list ? mlx_value_copy(list) : mlx_value_list();
}

mlx_value_t *mlx_bench_stored(mlx_ctl_t *ctl, const char *id, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *list = mlx_bench_stored_list(ctl, NULL, id, err);
    size_t count = mlx_value_size(list);
    if (!list)
        return NULL;
    if (count == 1)
        return mlx_value_copy(mlx_value_at(list, 0));
    mlx_error_set(err, count ? MLX_ERR_USAGE : MLX_ERR_NOT_FOUND,
                  "%zu stored results have an id that begins with %s", count, id);
    mlx_error_hint(err, "`mlxctl bench --list` shows the ids");
    return NULL;
}

int mlx_bench_write(const char *path, const char *text, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *draft = mlx_format("%s.%ld", path, (long)getpid());
    FILE *file = fopen(draft, "wx");
    if (!file)
        return mlx_error_set(err, MLX_ERR_FAILED, "cannot write %s: %s", path, strerror(errno));
    bool done = fputs(text, file) >= 0;
    done = fclose(file) == 0 && done && rename(draft, path) == 0;
    if (done)
        return 0;
    mlx_error_set(err, MLX_ERR_FAILED, "cannot write %s: %s", path, strerror(errno));
    unlink(draft);
    return -1;
}

int mlx_bench_write_sealed(mlx_ctl_t *ctl, const mlx_value_t *result, const char *path,
                           mlx_error_t *err)
{
    unsigned char secret[MLX_KEY_SECRET_BYTES];
    MLX_CLEANUP(mlx_free_p) char *dir = mlx_keys_dir(ctl->config, err);
    if (!dir || mlx_keys_secret(dir, secret, err))
        return -1;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *sealed = mlx_seal(result, secret, err);
    memset(secret, 0, sizeof secret);
    if (!sealed)
        return -1;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_canonical_json(&text, sealed);
    mlx_buf_putc(&text, '\n');
    return mlx_bench_write(path, mlx_buf_str(&text), err);
}

int mlx_bench_list(const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_error_t err = {0};
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    if (mlx_ctl_connect(&ctl, args, &err))
        return mlx_ctl_fail(&err);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *list = mlx_bench_stored_list(&ctl, mlx_args_operand(args, 0), NULL, &err);
    if (!list)
        return mlx_ctl_fail(&err);
    if (mlx_args_count(args, "json"))
        return mlx_ctl_print_json(list);
    mlx_bench_list_text(list, &term, &out);
    return mlx_ctl_print_text(mlx_buf_str(&out));
}

int mlx_bench_compare_stored(const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *a = NULL;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *b = NULL;
    mlx_error_t err = {0};
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    if (mlx_args_operand(args, 2))
        mlx_error_set(&err, MLX_ERR_USAGE, "--compare takes two ids");
    if (err.code || mlx_ctl_connect(&ctl, args, &err))
        return mlx_ctl_fail(&err);
    a = mlx_bench_stored(&ctl, mlx_args_operand(args, 0), &err);
    b = a ? mlx_bench_stored(&ctl, mlx_args_operand(args, 1), &err) : NULL;
    if (!b)
        return mlx_ctl_fail(&err);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    mlx_value_append(list, mlx_bench_compare_two(b, a));
    if (mlx_args_count(args, "json"))
        return mlx_ctl_print_json(mlx_value_at(list, 0));
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *both = mlx_value_list();
    mlx_value_append(both, mlx_value_copy(a));
    mlx_value_append(both, mlx_value_copy(b));
    mlx_bench_list_text(both, &term, &out);
    mlx_bench_compare_text(list, &term, &out);
    return mlx_ctl_print_text(mlx_buf_str(&out));
}

int mlx_bench_check(const mlx_args_t *args)
{
    const char *path = mlx_args_value(args, "check");
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *sealed = mlx_json_load(path, &err);
    if (!sealed || mlx_seal_check(sealed, &err)) {
        mlx_error_prefix(&err, "%s", path);
        return mlx_ctl_fail(&err);
    }
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format("unchanged since it was signed with the key\n%s\n"
                            "(`mlxctl keys signing` prints the key of a machine)\n",
                            mlx_value_str(sealed, "key"));
    return mlx_ctl_print_text(text);
}
