#include "tests/cache/fixture.h"

#include "services/cache/model/manifest.h"
#include "services/cache/model/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEX64 "92d81e19b0a81736e72a09a8c1891ee94db2b1bf3d071ebf7f8c89d0f5b36231"
#define OID "0123456789abcdef0123456789abcdef01234567"

/*  As a real Ollama 0.32.15 wrote it. */
static const char real_manifest[] =
    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\","
    "\"config\":{\"mediaType\":\"application/vnd.docker.container.image.v1+json\",\"digest\":"
    "\"sha256:7cdb13f60e66b90a2f645b457837c78269bde23b4935435c9b6f2c50abc95ae1\",\"size\":149},"
    "\"layers\":[{\"mediaType\":\"application/vnd.ollama.image.model\",\"digest\":\"sha256:" HEX64
    "\",\"size\":6940992},{\"mediaType\":\"application/vnd.ollama.image.template\",\"digest\":"
    "\"sha256:e3b2721cec511e3a627ae0993753abbf5c72cdf4cfcdbc8f5c33ce15c4c4e04b\",\"size\":102}]}\n";

static void test_manifest_round_trip(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_manifest_destroy)
    mlx_manifest_t *m = mlx_manifest_parse(real_manifest, strlen(real_manifest), &err);
    assert_non_null(m);
    assert_int_equal(m->count, 2);
    assert_int_equal(m->config.size, 149);
    assert_string_equal(m->layers[0].media_type, MLX_LAYER_MODEL);
    assert_string_equal(m->layers[0].sha256, HEX64);
    assert_int_equal(m->layers[0].size, 6940992);
    assert_int_equal(m->layers[1].size, 102);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_manifest_write(&out, m);
    assert_string_equal(mlx_buf_str(&out), real_manifest);
}

#define LAYER(digest, size) "{\"mediaType\":\"x\",\"digest\":\"" digest "\",\"size\":" size "}"
#define MANIFEST(layers) "{\"schemaVersion\":2,\"layers\":" layers "}"

static const char *const bad_manifests[] = {
    "",
    "[]",
    "{}",
    "{\"schemaVersion\":1,\"layers\":[]}",
    MANIFEST("{}"),
    MANIFEST("[1]"),
    MANIFEST("[" LAYER("sha256:../../../etc/passwd", "1") "]"),
    MANIFEST("[" LAYER("sha256:" HEX64 "/..", "1") "]"),
    MANIFEST("[" LAYER("sha256:" HEX64 "\\u0000", "1") "]"),
    MANIFEST("[" LAYER("md5:" HEX64, "1") "]"),
    MANIFEST("[" LAYER("sha256:" HEX64, "-1") "]"),
    MANIFEST("[" LAYER("sha256:" HEX64, "1e30") "]"),
    MANIFEST("[" LAYER("sha256:" HEX64, "9223372036854775807") "]"),
    MANIFEST("[{\"digest\":\"sha256:" HEX64 "\",\"size\":1}]"),
    "{\"schemaVersion\":2,\"layers\":[],\"config\":" LAYER("x", "1") "}",
};

static void test_bad_manifests(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(bad_manifests); i++) {
        mlx_error_t err = {0};
        if (mlx_manifest_parse(bad_manifests[i], strlen(bad_manifests[i]), &err))
            fail_msg("took %s", bad_manifests[i]);
        assert_true(err.text[0]);
    }
}

#define FILE_ENTRY(path) "{\"type\":\"file\",\"path\":\"" path "\",\"size\":10,\"oid\":\"" OID "\"}"
#define LFS_ENTRY(path, size)                                                                      \
    "{\"type\":\"file\",\"path\":\"" path "\",\"size\":" size ",\"oid\":\"" OID                    \
    "\",\"lfs\":{\"oid\":\"" HEX64 "\",\"size\":" size ",\"pointerSize\":130}}"

static mlx_tree_t *tree_of(const char *json)
{
    mlx_error_t err = {0};
    mlx_tree_t *tree = mlx_tree_new();
    if (mlx_tree_add_page(tree, json, strlen(json), &err))
        fail_msg("%s: %s", json, err.text);
    return tree;
}

static bool is_selected(const mlx_tree_t *tree, const char *path)
{
    for (size_t i = 0; i < tree->count; i++)
        if (strcmp(tree->files[i].file.path, path) == 0)
            return tree->files[i].selected;
    return false;
}

static void test_mlx_set(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_tree_destroy)
    mlx_tree_t *tree = tree_of("[" FILE_ENTRY("config.json") "," FILE_ENTRY(
        "README.md") ","
                     "{\"type\":\"directory\",\"path\":\"x\",\"oid\":\"" OID "\"}," LFS_ENTRY(
                         "model.safetensors", "900") "," FILE_ENTRY("caf\xc2\x9b.md") "]");
    const char page2[] =
        "[" FILE_ENTRY("x/chat.jinja") "," LFS_ENTRY("original/model.safetensors", "900") "]";
    assert_int_equal(mlx_tree_add_page(tree, page2, sizeof page2 - 1, &err), 0);
    assert_int_equal(tree->count, 6);
    assert_int_equal(mlx_tree_select_model(tree, &err), 0);
    assert_true(is_selected(tree, "config.json"));
    assert_true(is_selected(tree, "model.safetensors"));
    assert_true(is_selected(tree, "x/chat.jinja"));
    assert_true(is_selected(tree, "README.md")); /* the licence is in it */
    assert_false(is_selected(tree, "original/model.safetensors"));
    assert_string_equal(tree->files[0].file.sha256, "");
    assert_string_equal(tree->files[2].file.sha256, HEX64);

    /* The strange README is harmless until someone asks for it. */
    assert_int_equal(mlx_tree_select(tree, NULL, NULL, &err), -1);
    assert_int_equal(err.code, MLX_ERR_USAGE);
    const char *const none[] = {"*.nothing", NULL};
    assert_int_equal(mlx_tree_select(tree, none, NULL, &err), -1);
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
}

static void test_gguf_choice(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_tree_destroy)
    mlx_tree_t *tree = tree_of("[" LFS_ENTRY("m-Q8_0.gguf", "8") "," LFS_ENTRY(
        "m-Q4_K_M-00001-of-00002.gguf",
        "4") "," LFS_ENTRY("m-Q4_K_M-00002-of-00002.gguf",
                           "4") "," LFS_ENTRY("mmproj-BF16.gguf",
                                              "1") "," LFS_ENTRY("mmproj-F16.gguf",
                                                                 "1") "," FILE_ENTRY("config."
                                                                                     "json") "]");
    assert_int_equal(mlx_tree_select_gguf(tree, NULL, &err), 0);
    assert_true(is_selected(tree, "m-Q4_K_M-00001-of-00002.gguf"));
    assert_true(is_selected(tree, "m-Q4_K_M-00002-of-00002.gguf"));
    assert_false(is_selected(tree, "m-Q8_0.gguf"));
    assert_int_equal(mlx_tree_select_gguf(tree, "q8_0", &err), 0);
    assert_true(is_selected(tree, "m-Q8_0.gguf"));
    assert_false(is_selected(tree, "m-Q4_K_M-00001-of-00002.gguf"));
    assert_int_equal(mlx_tree_select_gguf(tree, "Q2_K", &err), -1);
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
}

static const char *const bad_trees[] = {
    "{}",
    "[{\"type\":\"file\",\"size\":1,\"oid\":\"" OID "\"}]",
    "[{\"type\":\"file\",\"path\":\"a\",\"size\":1}]",
    "[{\"type\":\"file\",\"path\":\"a\",\"size\":-1,\"oid\":\"" OID "\"}]",
    "[{\"type\":\"file\",\"path\":\"a\",\"oid\":\"" OID "\"}]",
    "[" FILE_ENTRY("ok\\u0000/../x") "]",
};

static const char *const bad_selections[] = {
    "[" FILE_ENTRY("../x") "]",
    "[" FILE_ENTRY("/etc/passwd") "]",
    "[" FILE_ENTRY("a\\\\b") "]",
    "[" FILE_ENTRY("a.json") "," FILE_ENTRY("A.JSON") "]",
    "[" FILE_ENTRY("a") "," FILE_ENTRY("a/b") "]",
    "[{\"type\":\"file\",\"path\":\"a\",\"size\":1,\"oid\":\"../../x\"}]",
    "[{\"type\":\"file\",\"path\":\"a\",\"size\":1,\"oid\":\"x\",\"lfs\":{\"oid\":\"../y\"}}]",
};

static void test_hostile_trees(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(bad_trees); i++) {
        mlx_error_t err = {0};
        MLX_CLEANUP(mlx_tree_destroy) mlx_tree_t *tree = mlx_tree_new();
        if (mlx_tree_add_page(tree, bad_trees[i], strlen(bad_trees[i]), &err) == 0)
            fail_msg("took %s", bad_trees[i]);
    }
    for (size_t i = 0; i < MLX_COUNT(bad_selections); i++) {
        mlx_error_t err = {0};
        MLX_CLEANUP(mlx_tree_destroy) mlx_tree_t *tree = tree_of(bad_selections[i]);
        if (mlx_tree_select(tree, NULL, NULL, &err) == 0)
            fail_msg("selected from %s", bad_selections[i]);
        assert_int_equal(err.code, MLX_ERR_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manifest_round_trip),
        cmocka_unit_test(test_bad_manifests),
        cmocka_unit_test(test_mlx_set),
        cmocka_unit_test(test_gguf_choice),
        cmocka_unit_test(test_hostile_trees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
