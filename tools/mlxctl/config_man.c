#include "config_man.h"

#include "common/base/config_table.h"
#include "common/cli/args_text.h"

#include <ctype.h>
#include <string.h>

/*  A paragraph whose tag is NAME. */
static void put_tag(mlx_buf_t *out, const char *name)
{
    mlx_buf_puts(out, ".TP\n.B ");
    mlx_args_roff(out, name);
    mlx_buf_putc(out, '\n');
}

static void put_kind(mlx_buf_t *out, const mlx_setting_t *setting)
{
    mlx_buf_puts(out, "Value: ");
    if (setting->words)
        mlx_buf_printf(out, "one of %s", setting->words);
    else
        mlx_args_roff(out, mlx_setting_type_name(setting->type));
    if (setting->min < setting->max)
        mlx_buf_printf(out, " from %.10g to %.10g", setting->min, setting->max);
    if (setting->fallback) {
        mlx_buf_puts(out, "; default: ");
        mlx_args_roff(out, setting->fallback);
    } else if (setting->example) {
        mlx_buf_puts(out, "; for example: ");
        mlx_args_roff(out, setting->example);
    }
    mlx_buf_putc(out, '\n');
}

static void put_setting(mlx_buf_t *out, const mlx_setting_t *setting)
{
    put_tag(out, setting->key);
    if (setting->help) {
        mlx_args_roff(out, setting->help);
        if (setting->used_by) {
            mlx_buf_puts(out, " Used by: ");
            mlx_args_roff(out, setting->used_by);
            mlx_buf_putc(out, '.');
        }
        mlx_buf_puts(out, "\n.br\n");
    }
    put_kind(out, setting);
    if (!setting->fields)
        return;
    mlx_buf_puts(out, ".RS\n");
    for (const mlx_setting_t *field = setting->fields; field->key; field++)
        put_setting(out, field);
    mlx_buf_puts(out, ".RE\n");
}

void mlx_config_man(mlx_buf_t *out)
{
    const char *section = NULL;
    mlx_buf_printf(out,
                   ".TH \"mlx\\-config\" 5 \"\" \"mlx-suite %s\" \"File Formats\"\n.SH NAME\n"
                   "mlx\\-config \\- settings of the MLX suite\n.SH DESCRIPTION\n",
                   MLX_VERSION);
    mlx_buf_puts(
        out, "One YAML file for all programs, ~/.config/mlx/config.yaml, or what "
             "MLX_CONFIG or \\-\\-config names. It need not exist: every setting has a "
             "default.\n.PP\nThe environment overrides the file, as MLX_SAMPLER_RATE_HZ does "
             "sampler.rate_hz, and a daemon's \\-\\-set KEY=VALUE overrides both.\n.PP\n\\fBmlxctl "
             "config\\fR shows every setting, its "
             "value and where that comes from; \\fBmlxctl config \\-\\-example\\fR prints a file "
             "to start from. A mistake is reported in one line with its position in the file.\n"
             ".SH SETTINGS\n");
    for (size_t i = 0; i < mlx_settings_count; i++) {
        const char *dot = strchr(mlx_settings[i].key, '.');
        size_t len = dot ? (size_t)(dot - mlx_settings[i].key) : 0;
        if (dot && (!section || strncmp(section, mlx_settings[i].key, len + 1) != 0)) {
            section = mlx_settings[i].key;
            MLX_CLEANUP(mlx_free_p) char *name = mlx_format("%.*s", (int)len, section);
            mlx_buf_printf(out, ".SS %s\n", name);
            mlx_args_roff(out, mlx_settings_section_help(name));
            mlx_buf_putc(out, '\n');
        }
        put_setting(out, &mlx_settings[i]);
    }
    mlx_buf_puts(out, ".SH EXAMPLE\n.nf\nhost: studio\nlog:\n  level: debug\nsampler:\n"
                      "  rate_hz: 2\n.fi\n.SH SEE ALSO\nmlx(7), mlxctl(1)\n");
}
