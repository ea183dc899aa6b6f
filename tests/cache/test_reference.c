/*  What a person means by the name of a model. */
#include "tests/cache/fixture.h"

#include "services/cache/model/reference.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *text;
    mlx_reference_kind_t kind;
    const char *repo, *quant, *revision, *folder; /* REPO: or the name of an Ollama page */
} known[] = {
    {"org/name", MLX_REFERENCE_HUB, "org/name", NULL, NULL, NULL},
    {"org/name@v1.0", MLX_REFERENCE_HUB, "org/name", NULL, "v1.0", NULL},
    {"org/name@refs/pr/1", MLX_REFERENCE_HUB, "org/name", NULL, "refs/pr/1", NULL},
    {"org/name:Q4_K_M", MLX_REFERENCE_HUB, "org/name", "Q4_K_M", NULL, NULL},
    {"org/name:iq2_xxs", MLX_REFERENCE_HUB, "org/name", "iq2_xxs", NULL, NULL},
    {"org/name:UD-Q4_K_XL", MLX_REFERENCE_HUB, "org/name", "UD-Q4_K_XL", NULL, NULL},
    {"org/name:BF16@main", MLX_REFERENCE_HUB, "org/name", "BF16", "main", NULL},
    {"org/name@main:BF16", MLX_REFERENCE_HUB, "org/name", "BF16", "main", NULL},
    {"hf.co/org/name:anything", MLX_REFERENCE_HUB, "org/name", "anything", NULL, NULL},
    {"HF.co/org/name", MLX_REFERENCE_HUB, "org/name", NULL, NULL, NULL},
    {"hf://org/name", MLX_REFERENCE_HUB, "org/name", NULL, NULL, NULL},
    {"hf://org/name@v2", MLX_REFERENCE_HUB, "org/name", NULL, "v2", NULL},
    {"hf://models/org/name", MLX_REFERENCE_HUB, "org/name", NULL, NULL, NULL},
    {"https://huggingface.co/org/name", MLX_REFERENCE_HUB, "org/name", NULL, NULL, NULL},
    {"https://huggingface.co/org/name?x=1#y", MLX_REFERENCE_HUB, "org/name", NULL, NULL, NULL},
    {"https://huggingface.co/org/name/tree/main", MLX_REFERENCE_HUB, "org/name", NULL, "main",
     NULL},
    {"https://huggingface.co/org/name/tree/refs%2Fpr%2F1/", MLX_REFERENCE_HUB, "org/name", NULL,
     "refs/pr/1", NULL},
    {"https://hf.co/org/name/tree/v1/BF16", MLX_REFERENCE_HUB, "org/name", NULL, "v1", "BF16"},
    {"https://huggingface.co/org/name/blob/main/a%20b-Q8_0.gguf?download=true", MLX_REFERENCE_HUB,
     "org/name", "a b-Q8_0.gguf", "main", NULL},
    {"https://huggingface.co/org/name/resolve/main/d/x.gguf", MLX_REFERENCE_HUB, "org/name",
     "d/x.gguf", "main", NULL},
    {"https://huggingface.co/org/name/blob/main/README.md", MLX_REFERENCE_HUB, "org/name", NULL,
     "main", NULL},
    {"https://mirror.test/hub/org/name/tree/x", MLX_REFERENCE_HUB, "org/name", NULL, "x", NULL},
    {"https://huggingface.co/org/name/commit/0a1b2c", MLX_REFERENCE_HUB, "org/name", NULL, "0a1b2c",
     NULL},
    {"https://huggingface.co/org/name/commits/v1", MLX_REFERENCE_HUB, "org/name", NULL, "v1", NULL},
    {"https://huggingface.co/models/org/name", MLX_REFERENCE_HUB, "org/name", NULL, NULL, NULL},
    {"hf://org/name/d/x-Q8_0.gguf", MLX_REFERENCE_HUB, "org/name", "d/x-Q8_0.gguf", NULL, NULL},
    {"hf://org/name@v2/x.gguf", MLX_REFERENCE_HUB, "org/name", "x.gguf", "v2", NULL},
    {"hf://org/name@refs/pr/1/x.gguf", MLX_REFERENCE_HUB, "org/name", "x.gguf", "refs/pr/1", NULL},
    {"hf://org/name/config.json", MLX_REFERENCE_HUB, "org/name", NULL, NULL, NULL},
    {"huggingface://org/name/x.gguf", MLX_REFERENCE_HUB, "org/name", "x.gguf", NULL, NULL},
    {"hf.co/org/name/x.gguf", MLX_REFERENCE_HUB, "org/name", "x.gguf", NULL, NULL},
    {"org/name/x.gguf", MLX_REFERENCE_HUB, "org/name", "x.gguf", NULL, NULL},
    {"org/name:d/x.gguf", MLX_REFERENCE_HUB, "org/name", "d/x.gguf", NULL, NULL},
    {"org/name/tree/v1", MLX_REFERENCE_HUB, "org/name", NULL, "v1", NULL},
    {"org/name/", MLX_REFERENCE_HUB, "org/name", NULL, NULL, NULL},
    {"models/org/name", MLX_REFERENCE_HUB, "org/name", NULL, NULL, NULL},
    {"https://ollama.com/library/tiny:1b", MLX_REFERENCE_OLLAMA, "tiny:1b", NULL, NULL, NULL},
    {"https://www.ollama.com/user/tiny/?x=1", MLX_REFERENCE_OLLAMA, "user/tiny", NULL, NULL, NULL},
    {"ollama://tiny", MLX_REFERENCE_OLLAMA, "tiny", NULL, NULL, NULL},
    {"localhost/user/name", MLX_REFERENCE_OLLAMA, NULL, NULL, NULL, NULL},
    {"host:5000/user/name", MLX_REFERENCE_OLLAMA, NULL, NULL, NULL, NULL},
    {"llama3", MLX_REFERENCE_OLLAMA, NULL, NULL, NULL, NULL},
    {"llama3.2:3b", MLX_REFERENCE_OLLAMA, NULL, NULL, NULL, NULL},
    {"user/name:latest", MLX_REFERENCE_OLLAMA, NULL, NULL, NULL, NULL},
    {"host.test/user/name:tag", MLX_REFERENCE_OLLAMA, NULL, NULL, NULL, NULL},
    {"oci://host/a/b:c", MLX_REFERENCE_OCI, NULL, NULL, NULL, NULL},
    {"./org/name", MLX_REFERENCE_PATH, NULL, NULL, NULL, NULL},
    {"../x", MLX_REFERENCE_PATH, NULL, NULL, NULL, NULL},
    {"/x", MLX_REFERENCE_PATH, NULL, NULL, NULL, NULL},
    {".", MLX_REFERENCE_PATH, NULL, NULL, NULL, NULL},
};

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void test_references(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(known); i++) {
        mlx_error_t err = {0};
        MLX_CLEANUP(mlx_reference_clear) mlx_reference_t r;
        if (mlx_reference_parse(known[i].text, "https://mirror.test/hub/", &r, &err) ||
            r.kind != known[i].kind || !same(r.ollama ? r.ollama : r.repo, known[i].repo) ||
            !same(r.quant, known[i].quant) || !same(r.revision, known[i].revision) ||
            !same(r.folder, known[i].folder))
            fail_msg("%s: kind %d, %s, %s, %s, %s, %s; %s", known[i].text, (int)r.kind, r.repo,
                     r.quant, r.revision, r.folder, r.ollama, err.text);
    }
}

/*  No model, or nothing that we know how to get: said at once, with what helps. */
static void test_refused(void **state)
{
    static const char *const refused[][2] = {
        {"https://example.com/x", "mlx-cache add ./FILE"},
        {"https://huggingface.co/datasets/org/x", "hf download datasets/org/x"},
        {"datasets/org/x", "hf download datasets/org/x"},
        {"hf://spaces/org/x", "hf download spaces/org/x"},
    };
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(refused); i++) {
        mlx_error_t err = {0};
        MLX_CLEANUP(mlx_reference_clear) mlx_reference_t r;
        if (mlx_reference_parse(refused[i][0], NULL, &r, &err) != -1 || err.code != MLX_ERR_USAGE ||
            !strstr(err.hint, refused[i][1]))
            fail_msg("%s: %s; %s", refused[i][0], err.text, err.hint);
    }
}

static mlx_reference_kind_t kind_of(const char *text)
{
    MLX_CLEANUP(mlx_reference_clear) mlx_reference_t r;
    mlx_error_t err = {0};
    assert_int_equal(mlx_reference_parse(text, NULL, &r, &err), 0);
    return r.kind;
}

/*  What lies in the working directory is meant only where nothing else could be. */
static void test_working_directory(void **state)
{
    (void)state;
    char folder[] = "/tmp/mlx-reference.XXXXXX", before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(mkdir("org", 0700) || mkdir("org/name", 0700) || mkdir("llama3", 0700), 0);
    assert_int_equal(mkdir("org/name/deep", 0700), 0);
    fixture_write("m.gguf", "x", 1);
    assert_int_equal(kind_of("org/name"), MLX_REFERENCE_HUB);
    assert_int_equal(kind_of("llama3"), MLX_REFERENCE_OLLAMA);
    assert_int_equal(kind_of("m.gguf"), MLX_REFERENCE_PATH);
    assert_int_equal(kind_of("n.gguf"), MLX_REFERENCE_OLLAMA);
    assert_int_equal(kind_of("org/name/deep"), MLX_REFERENCE_PATH);
    assert_int_equal(unlink("m.gguf") || rmdir("org/name/deep") || rmdir("org/name"), 0);
    assert_int_equal(rmdir("org") || rmdir("llama3") || chdir(before) || rmdir(folder), 0);
}

static const char *const quants[][2] = {
    {"name-Q4_K_M.gguf", "Q4_K_M"},
    {"name.Q8_0.gguf", "Q8_0"},
    {"name-UD-Q4_K_XL-00001-of-00002.gguf", "UD-Q4_K_XL"},
    {"BF16/name-BF16-00001-of-00002.gguf", "BF16"},
    {"BF16/name.gguf", "BF16"},
    {"gpt-oss-20b-mxfp4.gguf", "mxfp4"},
    {"Qwen2.5-7B-Instruct-IQ3_XXS.gguf", "IQ3_XXS"},
    {"name-f16.gguf", "f16"},
    {"name.gguf", NULL},
    {"Q.gguf", NULL},
};

static void test_quantisations(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(quants); i++) {
        MLX_CLEANUP(mlx_free_p) char *quant = mlx_reference_quant_of(quants[i][0]);
        if (!same(quant, quants[i][1]))
            fail_msg("%s: %s", quants[i][0], quant);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_working_directory),
        cmocka_unit_test(test_quantisations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
