/*  mlxctl doctor: what is missing, why there is no tok/s, what to type */
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/paths.h"
#include "common/cli/term.h"
#include "common/os/os.h"
#include "ctl.h"
#include "doctor.h"
#include "fleet_view.h"

enum {
    ASK_MS = 5000,
    INDENT = 9 /* of a line's text: behind the longest word for a level */
};

static bool lists_folder(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    for (const char *at = path; at; at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL)
        if (strcspn(at, ":") == len && memcmp(at, folder, len) == 0)
            return true;
    return false;
}

static void look_at_path(mlx_value_t *list)
{
    MLX_CLEANUP(mlx_free_p) char *program = mlx_os_executable(NULL);
    const char *path = getenv("PATH");
    if (!program)
        return;
    const char *folder = dirname(program);
    if (path && lists_folder(path, folder)) {
        mlx_doctor_add(list, MLX_DOCTOR_OK, "PATH", "has the suite's programs", NULL);
        return;
    }
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format("does not have %s", folder);
    MLX_CLEANUP(mlx_free_p) char *remedy = mlx_format("export PATH=\"%s:$PATH\"", folder);
    mlx_doctor_add(list, MLX_DOCTOR_NOTE, "PATH", text, remedy);
}

static void look_at_config(mlx_value_t *list, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_free_p) char *usual = mlx_paths_config_file(NULL, NULL);
    const char *file = mlx_args_value(args, "config") ? mlx_args_value(args, "config") : usual;
    bool there = file && access(file, F_OK) == 0;
    MLX_CLEANUP(mlx_free_p)
    char *text = there ? mlx_format("%s is valid", file)
                       : mlx_format("no file: every setting has its default");
    mlx_doctor_add(list, MLX_DOCTOR_OK, "configuration", text, NULL);
}

static void add_error(mlx_value_t *list, const char *check, const mlx_error_t *err,
                      const char *remedy)
{
    mlx_doctor_add(list, MLX_DOCTOR_FAULT, check, err->text, err->hint[0] ? err->hint : remedy);
}

/*  All that can be seen from here, as far as one gets. */
static void examine(mlx_ctl_t *ctl, const mlx_args_t *args, mlx_value_t *list)
{
    mlx_error_t err = {0};
    look_at_path(list);
    if (mlx_ctl_configure(ctl, args, &err)) {
        add_error(list, "configuration", &err, "mlxctl config");
        return;
    }
    look_at_config(list, args);
    mlx_ctl_close(ctl);
    if (mlx_ctl_connect(ctl, args, &err)) {
        add_error(list, "bus", &err, "deploy/up starts the suite");
        return;
    }
    mlx_doctor_add(list, MLX_DOCTOR_OK, "bus", "answers", NULL);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *known = mlx_ctl_call(ctl, "bus", "bus.services", NULL, ASK_MS, &err);
    mlx_overview_t *overview = known ? mlx_ctl_overview(ctl, &err) : NULL;
    if (!overview) {
        add_error(list, "bus", &err, "mlxctl services");
        return;
    }
    if (mlx_fleet_select(overview, mlx_args_value(args, "host"), &err))
        add_error(list, "machine", &err, "mlxctl status --all");
    else
        mlx_doctor_look(list, overview, mlx_value_get(known, "services"), mlx_wall_us());
    mlx_overview_destroy(&overview);
}

static void put_check(mlx_buf_t *out, const mlx_value_t *item, const mlx_term_t *term)
{
    const char *level = mlx_value_str(item, "level");
    const char *remedy = mlx_value_str(item, "remedy");
    mlx_style_t style = strcmp(level, mlx_doctor_word(MLX_DOCTOR_FAULT)) == 0     ? MLX_STYLE_BAD
                        : strcmp(level, mlx_doctor_word(MLX_DOCTOR_WARNING)) == 0 ? MLX_STYLE_WARN
                        : strcmp(level, mlx_doctor_word(MLX_DOCTOR_NOTE)) == 0    ? MLX_STYLE_DIM
                                                                                  : MLX_STYLE_GOOD;
    mlx_buf_printf(out, "%s%-*s%s", mlx_term_style(term, style), INDENT, level,
                   mlx_term_style(term, MLX_STYLE_PLAIN));
    mlx_term_put(out, mlx_value_str(item, "check"));
    mlx_buf_puts(out, ": ");
    mlx_term_put(out, mlx_value_str(item, "text"));
    mlx_buf_putc(out, '\n');
    if (!remedy)
        return;
    mlx_buf_printf(out, "%*swhat helps: ", INDENT, "");
    mlx_term_put(out, remedy);
    mlx_buf_putc(out, '\n');
}

int mlx_cmd_doctor(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    (void)arg;
    examine(&ctl, args, list);
    bool sound = mlx_doctor_worst(list) < MLX_DOCTOR_FAULT;
    int status;
    if (mlx_args_count(args, "json")) {
        status = mlx_ctl_print_json(list);
    } else {
        for (size_t i = 0; i < mlx_value_size(list); i++)
            put_check(&out, mlx_value_at(list, i), &term);
        mlx_buf_puts(&out, "\nThe model cache has a doctor of its own: mlx-cache doctor\n");
        status = mlx_ctl_print_text(mlx_buf_str(&out));
    }
    return status ? status : sound ? MLX_OK : MLX_ERR_FAILED;
}
