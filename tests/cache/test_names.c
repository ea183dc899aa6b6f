#include "tests/cache/fixture.h"

#include "services/cache/model/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

typedef int (*check_fn)(const char *s, mlx_error_t *err);

static int check_digest(const char *s, mlx_error_t *err)
{
    char hex[MLX_HEX_MAX];
    return mlx_name_digest(s, hex, err);
}

static int check_ollama(const char *s, mlx_error_t *err)
{
    mlx_ollama_name_t name;
    return mlx_name_ollama(s, &name, err);
}

static const struct {
    check_fn check;
    const char *good;
} good[] = {
    {check_digest, "sha256:" HEX64},
    {check_digest, "sha256-" HEX64},
    {mlx_name_commit, "0123456789abcdef0123456789abcdef01234567"},
    {mlx_name_etag, "0123456789abcdef0123456789abcdef01234567"},
    {mlx_name_etag, HEX64},
    {mlx_name_repo, "mlx-community/Llama-3.2-1B-Instruct-4bit"},
    {mlx_name_repo, "gpt2"},
    {mlx_name_repo, "a.b/c_d"},
    {mlx_name_revision, "main"},
    {mlx_name_revision, "refs/pr/1"},
    {mlx_name_revision, "v1.0+fp16"},
    {mlx_name_path, "model-00001-of-00002.safetensors"},
    {mlx_name_path, "sub dir/.hidden/a.json"},
    {mlx_name_path, "console.txt"},
    {mlx_name_path, "caf\u00e9.json"},
    {mlx_name_path, "cafe\u0301/\u043c\u043e\u0434\u0435\u043b\u044c.gguf"},
    {mlx_name_path, "\u6a21\u578b (1).gguf"},
    {mlx_name_path, "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p"},
    {check_ollama, "qwen2.5-coder:7b"},
    {check_ollama, "hf.co/org/Repo-GGUF:Q4_K_M"},
    {check_ollama, "localhost:5000/ns/model:tag"},
    {check_ollama, "user/model"},
    {check_ollama, "_x"},
};

static void test_good_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(good); i++) {
        mlx_error_t err = {0};
        if (good[i].check(good[i].good, &err))
            fail_msg("%s refused: %s", good[i].good, err.text);
    }
}

/*  What an attacker would put in, alone or as a part. Each is hostile for each kind of name. */
static const char *const hostile[] = {
    "..",
    ".",
    "../x",
    "x/../y",
    "/etc/passwd",
    "//host/share",
    "a//b",
    "a/",
    "C:\\x",
    "a\\b",
    "\\\\srv\\s",
    "a\nb",
    "a\tb",
    "a\x7f",
    "a\x1b[31m",
    "caf\xc3\xa9\n",
    "cafe\xcc\x81\xc2\x9b",
    "\xc3",
    "a\xc0\xafx",
    "\xed\xa0\x80",
    "\xff\xfe",
    "\u202ex", /* right-to-left override */
    "a|b",
    "a<b",
    "a>b",
    "a\"b",
    "a*",
    "a?b",
    "x/./y",
    "x/..",
    "%2e%2e\\x",
    "sha256:/../../x",
    "",
    " x",
    "~\\x",
    "..\\..\\x",
    "a/ ",
    "x/../../../../tmp",
};

static const char *const prefixes[] = {"", "ok/", "models--a/", "a/b/c/", "..//", "./"};
static const char *const suffixes[] = {"", "/", "/x", "/..", "\n", "\\"};

static void refuse_by_all(const char *s, size_t *cases)
{
    static const check_fn all[] = {check_digest,      mlx_name_commit, mlx_name_etag, mlx_name_repo,
                                   mlx_name_revision, mlx_name_path,   check_ollama};
    for (size_t i = 0; i < MLX_COUNT(all); i++) {
        mlx_error_t err = {0};
        if (all[i](s, &err) == 0)
            fail_msg("check %zu took \"%s\"", i, s);
        assert_int_equal(err.code, MLX_ERR_USAGE);
        assert_true(err.text[0]);
        for (const char *c = err.text; *c; c++)
            assert_true((unsigned char)*c >= 0x20);
        (*cases)++;
    }
}

/*  A suffix could turn the hostile text into a good one only by adding to "" or " x" behind a
 *  prefix that makes them a middle: those combinations are left to the tables below. */
static bool may_be_good(const char *prefix, const char *s, const char *suffix)
{
    return *s == '\0' && (*prefix || *suffix);
}

static void test_thousand_hostile_names(void **state)
{
    (void)state;
    size_t cases = 0;
    for (size_t p = 0; p < MLX_COUNT(prefixes); p++)
        for (size_t h = 0; h < MLX_COUNT(hostile); h++)
            for (size_t s = 0; s < MLX_COUNT(suffixes); s++) {
                if (may_be_good(prefixes[p], hostile[h], suffixes[s]))
                    continue;
                MLX_CLEANUP(mlx_free_p)
                char *name = mlx_format("%s%s%s", prefixes[p], hostile[h], suffixes[s]);
                refuse_by_all(name, &cases);
            }
    assert_true(cases >= 1000);
}

static const struct {
    check_fn check;
    const char *bad;
} bad[] = {
    {check_digest, "sha256:" HEX64 "0"},
    {check_digest, "sha512:" HEX64},
    {check_digest, "sha256_" HEX64},
    {check_digest, HEX64},
    {check_digest, "sha256:../../../../../../../../../../../../../../../../../../../etc/pas"},
    {mlx_name_commit, "0123456789ABCDEF0123456789abcdef01234567"},
    {mlx_name_etag, "0123456789abcdef0123456789abcdef012345678"},
    {mlx_name_repo, "a/b/c"},
    {mlx_name_repo, "a--b/c"},
    {mlx_name_repo, "a/-b"},
    {mlx_name_repo, "a/b.git"},
    {mlx_name_repo, "/b"},
    {mlx_name_revision, "-x"},
    {mlx_name_revision, "a/.b"},
    {mlx_name_path, "nul"},
    {mlx_name_path, "x/COM1.txt"},
    {mlx_name_path, "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q"},
    {mlx_name_path, "x."},
    {mlx_name_path, "x "},
    {check_ollama, "https://host/a/b"},
    {check_ollama, "a.b/model"},
    {check_ollama, "h/a/b/c"},
    {check_ollama, ":tag"},
    {check_ollama, "model:"},
    {check_ollama, "gpt-oss:120b-cloud"},
    {check_ollama, "-x"},
    {check_ollama, "a/.x"},
};

static void test_bad_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(bad); i++) {
        mlx_error_t err = {0};
        if (bad[i].check(bad[i].bad, &err) == 0)
            fail_msg("took %s", bad[i].bad);
    }
}

static void test_lengths(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    char long_name[1200];
    memset(long_name, 'a', sizeof long_name);
    long_name[97] = '\0';
    assert_int_equal(mlx_name_repo(long_name, &err), -1);
    long_name[97] = 'a';
    long_name[81] = '\0';
    assert_int_equal(check_ollama(long_name, &err), -1);
    long_name[80] = '\0';
    assert_int_equal(check_ollama(long_name, &err), 0);
    long_name[80] = long_name[81] = 'a';
    long_name[255] = '\0';
    assert_int_equal(mlx_name_path(long_name, &err), 0);
    long_name[255] = 'a';
    long_name[256] = '\0';
    assert_int_equal(mlx_name_path(long_name, &err), -1);
}

static void test_digest_is_folded_and_ollama_name_is_split(void **state)
{
    (void)state;
    char hex[MLX_HEX_MAX];
    mlx_error_t err = {0};
    assert_int_equal(mlx_name_digest("sha256-ABCDEF6789abcdef0123456789abcdef0123456789abcdef"
                                     "0123456789abcdef",
                                     hex, &err),
                     0);
    assert_true(strncmp(hex, "abcdef67", 8) == 0);
    mlx_ollama_name_t name;
    assert_int_equal(mlx_name_ollama("localhost:5000/ns/m", &name, &err), 0);
    assert_string_equal(name.host, "localhost:5000");
    assert_string_equal(name.space, "ns");
    assert_string_equal(name.model, "m");
    assert_string_equal(name.tag, "latest");
    static const char *const round[] = {"qwen:7b", "user/m:x", "hf.co/org/Repo-GGUF:Q4_K_M"};
    for (size_t i = 0; i < MLX_COUNT(round); i++) {
        assert_int_equal(mlx_name_ollama(round[i], &name, &err), 0);
        MLX_CLEANUP(mlx_free_p) char *s = mlx_name_ollama_short(&name);
        assert_string_equal(s, round[i]);
    }
}

static void test_distinct(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    const char *fine[] = {"b", "a/x", "a/y", "ab", "a.x"};
    assert_int_equal(mlx_name_distinct(fine, MLX_COUNT(fine), &err), 0);
    const char *by_case[] = {"README.md", "x", "readme.MD"};
    assert_int_equal(mlx_name_distinct(by_case, MLX_COUNT(by_case), &err), -1);
    const char *folder[] = {"a/x", "A", "a.b"};
    assert_int_equal(mlx_name_distinct(folder, MLX_COUNT(folder), &err), -1);
    assert_int_equal(mlx_name_distinct(NULL, 0, &err), 0);
}

/*  One file on a disk that normalises names or ignores case, whatever the script. */
static const char *const one_file[][2] = {
    {"caf\u00e9", "cafe\u0301"},
    {"CAF\u00c9", "cafe\u0301"},
    {"\u041c\u041e\u0419", "\u043c\u043e\u0438\u0306"},
    {"\ud55c", "\u1112\u1161\u11ab"},
    {"\u1e69", "s\u0307\u0323"},
    {"\u212b", "a\u030a"},
    {"a\u200bb", "ab"},
    {"\u03a3", "\u03c2"},
    {"\U00010400", "\U00010428"},
    {"d\u00e9/x", "de\u0301"},
};

static const char *const two_files[][2] = {
    {"m\u00fcller", "m\u00f6ller"},
    {"mu\u0308ller", "m\u00f6ller"},
    {"\u043c\u043e\u0434\u0435\u043b\u044c", "\u043c\u043e\u0434\u0443\u043b\u044c"},
    {"\u6d4b\u8bd5\u4e00", "\u6d4b\u8bd5\u4e8c"},
    {"\ud55c", "\ud558"},
    {"e", "\u00e9"},
};

static void test_distinct_in_every_script(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    for (size_t i = 0; i < MLX_COUNT(one_file); i++)
        if (mlx_name_distinct(one_file[i], 2, &err) == 0)
            fail_msg("%s and %s are two files", one_file[i][0], one_file[i][1]);
    for (size_t i = 0; i < MLX_COUNT(two_files); i++)
        if (mlx_name_distinct(two_files[i], 2, &err))
            fail_msg("%s and %s are one file", two_files[i][0], two_files[i][1]);
}

static void test_match(void **state)
{
    (void)state;
    assert_true(mlx_name_match("*.json", "x/y.json"));
    assert_false(mlx_name_match("model*.safetensors", "original/model.safetensors"));
    assert_true(mlx_name_match("model*.safetensors", "model-00001-of-00002.safetensors"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_names),
        cmocka_unit_test(test_thousand_hostile_names),
        cmocka_unit_test(test_bad_names),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_digest_is_folded_and_ollama_name_is_split),
        cmocka_unit_test(test_distinct),
        cmocka_unit_test(test_distinct_in_every_script),
        cmocka_unit_test(test_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
