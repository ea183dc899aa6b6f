#include "tests/cache/fixture.h"

#include "services/cache/store/digest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*  FIPS 180-2 and `git hash-object` are the sources of these. */
static const struct {
    const char *content;
    const char *sha256;
    const char *git;
} known[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f"},
    {"hello world\n", "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447",
     "3b18e512dba79e4c8300dd08aeb37f8e728b8dad"},
};

static void test_known_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(known); i++) {
        size_t len = strlen(known[i].content);
        char hex[MLX_HEX_MAX];
        mlx_sha256_hex(known[i].content, len, hex);
        assert_string_equal(hex, known[i].sha256);
        MLX_CLEANUP(mlx_digest_destroy) mlx_digest_t *d = mlx_digest_new(MLX_GIT_BLOB, len);
        for (size_t at = 0; at < len; at++)
            mlx_digest_update(d, known[i].content + at, 1);
        mlx_digest_hex(d, hex);
        assert_string_equal(hex, known[i].git);
    }
}

static bool always(void *arg)
{
    (*(int *)arg)++;
    return true;
}

static void test_file(void **state)
{
    (void)state;
    MLX_CLEANUP(fixture_remove) char *dir = fixture_dir();
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(dir, "big");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    fixture_gguf(&content, 300000, 1);
    fixture_write(path, content.data, content.len);
    char want[MLX_HEX_MAX], hex[MLX_HEX_MAX];
    mlx_sha256_hex(content.data, content.len, want);
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
    lseek(fd, 17, SEEK_SET);
    uint64_t size;
    assert_int_equal(mlx_digest_fd(fd, MLX_SHA256, hex, &size, NULL, NULL, &err), 0);
    assert_string_equal(hex, want);
    assert_int_equal(size, content.len);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 17);

    int asked = 0;
    assert_int_equal(mlx_digest_fd(fd, MLX_SHA256, hex, NULL, always, &asked, &err), -1);
    assert_int_equal(err.code, MLX_ERR_INTERRUPTED);
    assert_int_equal(asked, 1);
}

static void test_is_hex(void **state)
{
    (void)state;
    assert_true(mlx_is_hex("09af", 4));
    assert_false(mlx_is_hex("09aF", 4));
    assert_false(mlx_is_hex("09a", 4));
    assert_false(mlx_is_hex("09af0", 4));
    assert_false(mlx_is_hex("0/af", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_is_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
