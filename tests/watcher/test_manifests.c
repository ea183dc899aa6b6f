/*  Names of models in a store like the recorded one. */
#include "services/watcher/manifests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEX "92d81e19b0a81736e72a09a8c1891ee94db2b1bf3d071ebf7f8c89d0f5b36231"
#define MANIFEST "tests/fixtures/ollama/manifest-tiny-random-latest.json"

typedef struct {
    size_t count;
    bool library, user, hf, other;
    bool stop;
} found_t;

static bool on_name(void *arg, const char *name)
{
    found_t *found = arg;
    found->count++;
    found->library = found->library || !strcmp(name, "tiny-random:latest");
    found->user = found->user || !strcmp(name, "me/mine:v1");
    found->hf = found->hf || !strcmp(name, "hf.co/org/Repo-GGUF:Q4_K_M");
    return !found->stop;
}

static void run(const char *command)
{
    assert_int_equal(system(command), 0);
}

static void names_all_models_of_a_blob(void **state)
{
    (void)state;
    char root[] = "/tmp/mlx-manifests-XXXXXX";
    assert_non_null(mkdtemp(root));
    MLX_CLEANUP(mlx_free_p)
    char *make = mlx_format(
        "m=%s/manifests; r=$m/registry.ollama.ai; mkdir -p $r/library/tiny-random $r/me/mine "
        "$m/hf.co/org/Repo-GGUF $r/library/broken $r/library/other $r/library/.hidden/x && "
        "cp " MANIFEST " $r/library/tiny-random/latest && cp " MANIFEST " $r/me/mine/v1 && "
        "cp " MANIFEST " $m/hf.co/org/Repo-GGUF/Q4_K_M && echo '{\"layers\":[7' > "
        "$r/library/broken/latest && sed s/92d81e/000000/ " MANIFEST
        " > $r/library/other/latest && "
        "head -c 300000 /dev/zero > $r/library/broken/big && ln -s / $r/library/broken/loop && "
        "mkfifo $r/library/broken/pipe",
        root);
    run(make);
    MLX_CLEANUP(mlx_free_p) char *blob = mlx_format("%s/blobs/sha256-" HEX, root);
    found_t found = {.count = 0};
    mlx_manifests_find(blob, on_name, &found);
    assert_int_equal(found.count, 3);
    assert_true(found.library && found.user && found.hf);
    found = (found_t){.stop = true};
    mlx_manifests_find(blob, on_name, &found);
    assert_int_equal(found.count, 1);
    MLX_CLEANUP(mlx_free_p) char *remove = mlx_format("rm -rf %s", root);
    run(remove);
    found = (found_t){.count = 0};
    mlx_manifests_find(blob, on_name, &found);
    assert_int_equal(found.count, 0);
}

static void knows_a_blob_from_other_paths(void **state)
{
    (void)state;
    assert_string_equal(mlx_manifests_digest("/m/blobs/sha256-" HEX), HEX);
    const char *const none[] = {"",
                                "/m/blobs/" HEX,
                                "/m/blobs/sha256-" HEX "0",
                                "/m/blobs/sha256-92d8",
                                "/m/blobs/sha256-" HEX "/",
                                "/m/sha256-" HEX "/model.gguf"};
    for (size_t i = 0; i < MLX_COUNT(none); i++)
        assert_null(mlx_manifests_digest(none[i]));
    found_t found = {.count = 0};
    mlx_manifests_find("/elsewhere/sha256-" HEX, on_name, &found);
    mlx_manifests_find("", on_name, &found);
    assert_int_equal(found.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_all_models_of_a_blob),
        cmocka_unit_test(knows_a_blob_from_other_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
