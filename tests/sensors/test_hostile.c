/*  Every file of every recorded machine, replaced in turn by what a broken driver, a race or an
 *  attacker could put there. Whatever happens, a reading is absent or fits the catalogue: right
 *  type, finite, inside the bounds of its unit; and no back end falls over (run under sanitizers).
 */
#include "proto/catalogue.h"
#include "rig.h"

#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_BACKENDS 16
#define MAX_FILES 512

typedef struct {
    const mlx_sensor_backend_t *backend;
    void *state;
} slot_t;

static slot_t slots[MAX_BACKENDS];
static size_t slot_count;
static char *files[MAX_FILES]; /* absolute */
static size_t file_count;
static mlx_readings_t *readings;
static int64_t now_us = 1000000;

static const struct {
    double min, max;
} bounds[] = {
    [MLX_UNIT_BYTES] = {0, 9.3e18}, [MLX_UNIT_WATTS] = {0, 1e5},
    [MLX_UNIT_JOULES] = {0, 1e16},  [MLX_UNIT_CELSIUS] = {-100, 250},
    [MLX_UNIT_RATIO] = {0, 1},      [MLX_UNIT_HERTZ] = {0, 1e12},
    [MLX_UNIT_RPM] = {0, 1e6},      [MLX_UNIT_BYTES_PER_SECOND] = {0, 1e15},
};

static void check_map(const mlx_field_t *fields, const mlx_value_t *map);

static void check_field(const mlx_field_t *field, const mlx_value_t *value)
{
    if (mlx_value_type(value) == MLX_LIST) {
        for (size_t i = 0; field->fields && i < mlx_value_size(value); i++)
            check_map(field->fields, mlx_value_at(value, i));
        return;
    }
    double number;
    if (!mlx_value_as_real(value, &number) || field->unit >= MLX_COUNT(bounds))
        return;
    if (bounds[field->unit].max > 0 &&
        !(number >= bounds[field->unit].min && number <= bounds[field->unit].max))
        fail_msg("%s = %g is out of bounds", field->key, number);
}

static void check_map(const mlx_field_t *fields, const mlx_value_t *map)
{
    for (size_t i = 0; i < mlx_value_size(map); i++) {
        const mlx_field_t *field = mlx_field_find(fields, mlx_value_key(map, i));
        if (!field)
            fail_msg("%s is not in the catalogue", mlx_value_key(map, i));
        check_field(field, mlx_value_at(map, i));
    }
}

static void check_readings(void)
{
    mlx_sensor_derive(readings);
    for (size_t i = 0; i < mlx_readings_count(readings); i++) {
        const char *name;
        const mlx_value_t *data = mlx_readings_at(readings, i, &name);
        const mlx_topic_t *topic = mlx_catalogue_find(name);
        assert_non_null(topic);
        mlx_error_t err = {0};
        if (mlx_catalogue_check(topic, data, &err))
            fail_msg("%s: %s", name, err.text);
        check_map(topic->fields, data);
    }
}

static void probe_all(const mlx_sensor_env_t *env)
{
    for (size_t i = 0; i < slot_count; i++) {
        if (slots[i].state)
            slots[i].backend->close(&slots[i].state);
        mlx_error_t err = {0};
        if (slots[i].backend->probe(&slots[i].state, env, &err))
            assert_true(err.code != MLX_OK && err.text[0]);
    }
}

static void sample_all(void)
{
    now_us += 1000000;
    mlx_readings_reset(readings);
    for (size_t i = 0; i < slot_count; i++) {
        mlx_error_t err = {0};
        if (slots[i].state && slots[i].backend->sample(slots[i].state, now_us, readings, &err))
            assert_true(err.code != MLX_OK && err.text[0]);
    }
    check_readings();
}

static void replace(const char *path, const void *data, size_t len)
{
    MLX_CLEANUP(mlx_close_p) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
}

/*  The back ends that have the file open see the change; then fresh ones meet it at the start. */
static void run_all(const mlx_sensor_env_t *env)
{
    sample_all();
    sample_all();
    probe_all(env);
    sample_all();
    sample_all();
}

static void attack(const char *path, const mlx_sensor_env_t *env)
{
    static const char *const texts[] = {
        "",
        "\n",
        "garbage: yes\ncpu 1\n",
        "-1\n",
        "0\n",
        "9223372036854775807\n",
        "-9223372036854775808\n",
        "99999999999999999999999999999999\n",
        "nan\n",
        "1e300\n",
        "12 34\n",
        "\xff\xfe\x80%s%n/../..\n",
        "cpu  9223372036854775807 9223372036854775807 9223372036854775807 9223372036854775807 "
        "9223372036854775807 0 0 0\ncpu0 1 2 3 4 5 6 7 8\n",
        "drm-pdev:\t0000:00:02.0\ndrm-client-id:\t3\ndrm-engine-:\t1 ns\ndrm-engine-render:\t"
        "9223372036854775807 ns\ndrm-engine-capacity-render:\t0\ndrm-resident-system0:\t"
        "9223372036854775807 MiB\ndrm-resident-gtt:\t9223372036854775807\n",
    };
    for (size_t i = 0; i < MLX_COUNT(texts); i++) {
        replace(path, texts[i], strlen(texts[i]));
        run_all(env);
    }
    static const char binary[] = "\0\x01\x02 42\n\0\xff";
    replace(path, binary, sizeof binary);
    run_all(env);
    static char large[300000];
    memset(large, '7', sizeof large);
    replace(path, large, sizeof large);
    run_all(env);
    replace(path, "", 0);
    assert_int_equal(unlink(path), 0);
    run_all(env);
    assert_int_equal(mkdir(path, 0700), 0);
    run_all(env);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    run_all(env);
    assert_int_equal(unlink(path), 0);
}

static int collect(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (type == FTW_F && file_count < MAX_FILES)
        files[file_count++] = mlx_strdup(path);
    return 0;
}

static void attack_machine(void **state)
{
    MLX_CLEANUP(rig_close) rig_t rig = {0};
    rig_open(&rig, *state, "memory");
    readings = mlx_readings_new();
    assert_int_equal(nftw(rig.root, collect, 16, FTW_PHYS), 0);
    assert_true(file_count > 5 && file_count < MAX_FILES);
    probe_all(&rig.env);
    for (size_t i = 0; i < file_count; i++) {
        char content[16384];
        MLX_CLEANUP(mlx_close_p) int fd = open(files[i], O_RDONLY | O_CLOEXEC);
        ssize_t len = read(fd, content, sizeof content);
        assert_true(len >= 0 && len < (ssize_t)sizeof content);
        attack(files[i], &rig.env);
        replace(files[i], content, (size_t)len);
        probe_all(&rig.env);
        sample_all();
        free(files[i]);
    }
    file_count = 0;
    for (size_t i = 0; i < slot_count; i++)
        if (slots[i].state)
            slots[i].backend->close(&slots[i].state);
    mlx_readings_destroy(&readings);
}

/*  Trees that hold nothing, or whose folders are files. */
static void test_no_tree_at_all(void **state)
{
    (void)state;
    static const mlx_sensor_env_t envs[] = {
        {"/nonexistent", "/nonexistent", "/nonexistent"},
        {"/dev/null", "/dev/null", "/dev/null"},
        {"", "", ""},
        {"/dev", "/dev", "/dev"},
    };
    readings = mlx_readings_new();
    for (size_t i = 0; i < MLX_COUNT(envs); i++) {
        probe_all(&envs[i]);
        sample_all();
        for (size_t k = 0; k < slot_count; k++)
            if (slots[k].state)
                slots[k].backend->close(&slots[k].state);
    }
    mlx_readings_destroy(&readings);
}

int main(void)
{
    const mlx_sensor_backend_t *const *backends = mlx_sensor_backends(&slot_count);
    assert_true(slot_count <= MAX_BACKENDS);
    for (size_t i = 0; i < slot_count; i++)
        slots[i].backend = backends[i];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_tree_at_all),
        cmocka_unit_test_prestate(attack_machine, "amd-desktop"),
        cmocka_unit_test_prestate(attack_machine, "intel-laptop"),
        cmocka_unit_test_prestate(attack_machine, "asahi-mac"),
        cmocka_unit_test_prestate(attack_machine, "vm"),
        cmocka_unit_test_prestate(attack_machine, "container"),
        cmocka_unit_test_prestate(attack_machine, "amd-apu"),
        cmocka_unit_test_prestate(attack_machine, "intel-arc"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
