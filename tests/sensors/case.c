#include "case.h"

#include "common/base/file.h"
#include "common/base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void plant(rig_t *rig, const char *name)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("tests/fixtures/sensors/cases/%s", name);
    mlx_error_t err = {0};
    size_t len;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_file_read(path, 1 << 20, &len, &err);
    assert_non_null(text);
    mlx_value_t *tree = mlx_json_parse(text, len, &err);
    assert_non_null(tree);
    for (size_t i = 0; i < mlx_value_size(tree); i++) {
        const mlx_value_t *content = mlx_value_at(tree, i);
        const char *link = mlx_value_str(content, "link");
        if (link)
            rig_plant_link(rig, mlx_value_key(tree, i), link);
        else
            rig_plant(rig, mlx_value_key(tree, i), mlx_value_as_str(content, NULL));
    }
    mlx_value_destroy(&tree);
}

void case_open(rig_t *rig, const char *name, const char *backend)
{
    rig_open_empty(rig, backend);
    plant(rig, name);
    (void)rig_probe(rig);
}

void case_set_nvml(const rig_t *rig, const char *text)
{
    rig_write(rig, "nvml", text);
}

void case_open_nvml(rig_t *rig, const char *name, const char *text)
{
    rig_open_empty(rig, "nvml");
    plant(rig, name);
    MLX_CLEANUP(mlx_free_p) char *settings = mlx_format("%s/nvml", rig->root);
    MLX_CLEANUP(mlx_free_p) char *calls = mlx_format("%s/calls", rig->root);
    assert_int_equal(setenv("MLX_FAKE_NVML", settings, 1), 0);
    assert_int_equal(setenv("MLX_FAKE_NVML_CALLS", calls, 1), 0);
    case_set_nvml(rig, text);
    rig->env.nvml_library = FAKE_NVML;
}

size_t case_calls(const rig_t *rig)
{
    struct stat st;
    MLX_CLEANUP(mlx_free_p) char *calls = mlx_format("%s/calls", rig->root);
    return stat(calls, &st) == 0 ? (size_t)st.st_size : 0;
}
