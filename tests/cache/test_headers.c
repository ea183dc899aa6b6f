#include "tests/cache/fixture.h"

#include "services/cache/model/gguf.h"
#include "services/cache/model/header.h"
#include "services/cache/model/safetensors.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ONE(dtype, shape, begin, end)                                                              \
    "{\"w\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}}"

static const struct {
    const char *json;
    uint64_t data;
    bool good;
} headers[] = {
    {"{}", 0, true},
    {ONE("F32", "[2,3]", "0", "24"), 24, true},
    {ONE("F32", "[]", "0", "4"), 4, true},
    {ONE("F4", "[4]", "0", "2"), 2, true},
    {ONE("F32", "[0]", "0", "0"), 0, true},
    {ONE("NEW9", "[7]", "0", "5"), 5, true},
    {"{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}   ",
     3, true},
    {"", 0, false},
    {" {}", 0, false},
    {"[]", 0, false},
    {"{", 0, false},
    {ONE("F32", "[2,3]", "0", "24"), 23, false},
    {ONE("F32", "[2,3]", "0", "24"), 25, false},
    {ONE("F32", "[2,3]", "0", "20"), 20, false},
    {ONE("F32", "[1]", "4", "8"), 8, false},
    {ONE("F32", "[1]", "8", "4"), 8, false},
    {ONE("F32", "[-1]", "0", "4"), 4, false},
    {ONE("F32", "[1.5]", "0", "6"), 6, false},
    {ONE("F32", "[4294967296,4294967296]", "0", "0"), 0, false},
    {ONE("F32", "[4611686018427387904]", "0", "0"), 0, false},
    {ONE("F32", "\"x\"", "0", "4"), 4, false},
    {ONE("F4", "[3]", "0", "1"), 1, false},
    {"{\"w\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, false},
    {"{\"w\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, false},
    {"{\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}", 1, false},
    {"{\"w\":3}", 0, false},
    {"{\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
     2, false},
    {"{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
     3, false},
};

static void test_safetensors_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(headers); i++) {
        mlx_safetensors_t info;
        mlx_error_t err = {0};
        size_t len = strlen(headers[i].json);
        int rc =
            mlx_safetensors_header(headers[i].json, len, 8 + len + headers[i].data, &info, &err);
        if ((rc == 0) != headers[i].good)
            fail_msg("%s: %s", headers[i].json, rc ? err.text : "taken");
        if (rc)
            assert_int_equal(err.code, MLX_ERR_FAILED);
    }
}

static int check_file(const char *path, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
    return mlx_header_check(fd, path, err);
}

/*  Cut at every length from 0 to the whole: only the whole may pass. */
static void cut_everywhere(const char *path, const mlx_buf_t *whole)
{
    fixture_write(path, whole->data, whole->len);
    for (size_t len = whole->len; len-- > 0;) {
        mlx_error_t err = {0};
        assert_int_equal(truncate(path, (off_t)len), 0);
        if (check_file(path, &err) == 0)
            fail_msg("%s cut to %zu of %zu bytes was taken", path, len, whole->len);
        assert_non_null(strstr(err.text, path));
    }
    mlx_error_t err = {0};
    fixture_write(path, whole->data, whole->len);
    assert_int_equal(check_file(path, &err), 0);
}

static void test_every_truncation_shows(void **state)
{
    (void)state;
    MLX_CLEANUP(fixture_remove) char *dir = fixture_dir();
    MLX_CLEANUP(mlx_free_p) char *gguf = fixture_path(dir, "m.gguf");
    MLX_CLEANUP(mlx_free_p) char *tensors = fixture_path(dir, "m.safetensors");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t whole = {0};
    fixture_gguf(&whole, 40, 1);
    cut_everywhere(gguf, &whole);
    mlx_buf_reset(&whole);
    fixture_safetensors(&whole, 40, 1);
    cut_everywhere(tensors, &whole);
}

static int check_bytes(const mlx_buf_t *bytes, mlx_gguf_t *info, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_fclose_p) FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(write(fileno(file), bytes->data, bytes->len), bytes->len);
    return mlx_gguf_check(fileno(file), bytes->len, info, err);
}

static void test_gguf_facts(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t file = {0};
    fixture_gguf(&file, 40, 1);
    mlx_gguf_t info;
    mlx_error_t err = {0};
    assert_int_equal(check_bytes(&file, &info, &err), 0);
    assert_string_equal(info.architecture, "llama");
    assert_string_equal(mlx_gguf_quant(info.file_type), "Q4_K_M");
    assert_int_equal(info.context_length, 2048);
    assert_int_equal(info.parameters, 40);
    assert_int_equal(info.tensors, 1);
    assert_int_equal(info.split_count, -1);
    assert_true(info.chat_template);
    assert_int_equal(file.len - info.header_bytes, 160);
    assert_string_equal(mlx_gguf_quant(-1), "unknown");
    assert_string_equal(mlx_gguf_quant(5), "unknown");
    assert_string_equal(mlx_gguf_quant(1000), "unknown");
}

/*  One u32 or u64 of the fixture overwritten: where, with what. */
static const struct {
    size_t at;
    uint64_t value;
    size_t width;
    const char *says;
} damages[] = {
    {0, 0x46554748, 4, "does not start"}, {4, 0x03000000, 4, "big-endian"},
    {4, 1, 4, "neither 2 nor 3"},         {8, UINT64_MAX, 8, "more entries"},
    {16, UINT64_MAX, 8, "more entries"},  {16, 20, 8, "unknown type"},
    {24, UINT64_MAX, 8, "too long"},      {24, 70000, 8, "too long"},
    {52, 99, 4, "unknown type"},          {56, UINT64_MAX, 8, "too long"},
};

static void test_gguf_damages(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(damages); i++) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t file = {0};
        fixture_gguf(&file, 4, 1);
        for (size_t b = 0; b < damages[i].width; b++)
            file.data[damages[i].at + b] = (char)(damages[i].value >> (8 * b));
        mlx_gguf_t info;
        mlx_error_t err = {0};
        assert_int_equal(check_bytes(&file, &info, &err), -1);
        if (!strstr(err.text, damages[i].says))
            fail_msg("damage %zu: \"%s\" does not say \"%s\"", i, err.text, damages[i].says);
    }
}

typedef struct {
    uint64_t dims[5];
    uint32_t dim_count;
    uint32_t type;
    uint64_t offset;
    uint32_t alignment; /* 0: none given */
    bool good;
} tensor_case_t;

static const tensor_case_t tensor_cases[] = {
    {{64}, 1, 2, 0, 0, true},
    {{64}, 1, 999, 0, 0, true},
    {{64}, 1, 2, 32, 0, true},
    {{64}, 1, 2, 8, 8, true},
    {{33}, 1, 2, 0, 0, false},
    {{64, 1, 1, 1, 1}, 5, 2, 0, 0, false},
    {{UINT64_MAX, 2}, 2, 0, 0, 0, false},
    {{1ull << 62}, 1, 0, 0, 0, false},
    {{64}, 1, 2, 1, 0, false},
    {{64}, 1, 2, UINT64_MAX - 31, 0, false},
    {{64}, 1, 2, 1ull << 40, 0, false},
    {{64}, 1, 999, 1ull << 40, 0, false},
    {{64}, 1, 2, 0, 12, false},
    {{8192}, 1, 0, 0, 0, false},
};

static void test_gguf_tensors(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(tensor_cases); i++) {
        const tensor_case_t *c = &tensor_cases[i];
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t file = {0};
        mlx_buf_puts(&file, "GGUF");
        put_u32(&file, 3);
        put_u64(&file, 1);
        put_u64(&file, c->alignment ? 1 : 0);
        if (c->alignment) {
            put_str(&file, "general.alignment");
            put_u32(&file, 4);
            put_u32(&file, c->alignment);
        }
        put_str(&file, "w");
        put_u32(&file, c->dim_count);
        for (uint32_t d = 0; d < c->dim_count; d++)
            put_u64(&file, c->dims[d]);
        put_u32(&file, c->type);
        put_u64(&file, c->offset);
        char zeros[512] = {0};
        mlx_buf_append(&file, zeros, sizeof zeros);
        mlx_gguf_t info;
        mlx_error_t err = {0};
        int rc = check_bytes(&file, &info, &err);
        if ((rc == 0) != c->good)
            fail_msg("tensor case %zu: %s", i, rc ? err.text : "taken");
        if (rc == 0)
            assert_int_equal(info.unknown_types, c->type == 999);
    }
}

/*  An array that claims to hold arrays that hold arrays: recursion and loops stay bounded. */
static void test_gguf_nesting_and_huge_counts(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t file = {0};
    mlx_buf_puts(&file, "GGUF");
    put_u32(&file, 3);
    put_u64(&file, 0);
    put_u64(&file, 1);
    put_str(&file, "k");
    put_u32(&file, 9);
    for (int i = 0; i < 1000; i++) {
        put_u32(&file, 9);
        put_u64(&file, 1);
    }
    mlx_gguf_t info;
    mlx_error_t err = {0};
    assert_int_equal(check_bytes(&file, &info, &err), -1);
    assert_non_null(strstr(err.text, "impossible type"));

    /* A sparse terabyte of empty strings must not be walked to its end. */
    MLX_CLEANUP(fixture_remove) char *dir = fixture_dir();
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(dir, "sparse.gguf");
    mlx_buf_reset(&file);
    mlx_buf_puts(&file, "GGUF");
    put_u32(&file, 3);
    put_u64(&file, 0);
    put_u64(&file, 1);
    put_str(&file, "k");
    put_u32(&file, 9);
    put_u32(&file, 8);
    put_u64(&file, 1ull << 36);
    fixture_write(path, file.data, file.len);
    assert_int_equal(truncate(path, 1ll << 40), 0);
    assert_int_equal(check_file(path, &err), -1);
    assert_non_null(strstr(err.text, "256 MiB"));
}

static void test_lfs_pointer_is_no_model(void **state)
{
    (void)state;
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\n";
    MLX_CLEANUP(fixture_remove) char *dir = fixture_dir();
    MLX_CLEANUP(mlx_free_p) char *path = fixture_path(dir, "tokenizer.model");
    mlx_error_t err = {0};
    fixture_write(path, pointer, sizeof pointer - 1);
    assert_int_equal(check_file(path, &err), -1);
    assert_non_null(strstr(err.text, "Git-LFS"));
    fixture_write(path, "other", 5);
    assert_int_equal(check_file(path, &err), 0);
}

static void test_kinds(void **state)
{
    (void)state;
    assert_true(mlx_file_is_weights("a/b.gguf"));
    assert_true(mlx_file_is_weights("model.safetensors"));
    assert_false(mlx_file_is_weights("model.safetensors.index.json"));
    assert_false(mlx_file_is_weights(".gguf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_safetensors_headers),
        cmocka_unit_test(test_every_truncation_shows),
        cmocka_unit_test(test_gguf_facts),
        cmocka_unit_test(test_gguf_damages),
        cmocka_unit_test(test_gguf_tensors),
        cmocka_unit_test(test_gguf_nesting_and_huge_counts),
        cmocka_unit_test(test_lfs_pointer_is_no_model),
        cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
