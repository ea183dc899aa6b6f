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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXTURES "tests/fixtures/sensors"

const mlx_sensor_backend_t *rig_backend(const char *name)
{
    size_t count;
    const mlx_sensor_backend_t *const *all = mlx_sensor_backends(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    fail_msg("no back end %s", name);
    return NULL;
}

static void copy_tree(const char *from, const char *to)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        umask(022); /* whatever the checkout's modes are */
        execlp("cp", "cp", "-a", "--no-preserve=mode", from, to, (char *)NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int rig_probe(rig_t *rig)
{
    if (rig->state)
        rig->backend->close(&rig->state);
    assert_null(rig->state);
    int rc = rig->backend->probe(&rig->state, &rig->env, &rig->err);
    assert_true((rc == 0) == (rig->state != NULL));
    return rc;
}

static void make_root(rig_t *rig)
{
    const char *tmp = getenv("TMPDIR");
    rig->root = mlx_format("%s/mlx-rig-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(rig->root));
    rig->proc = mlx_format("%s/proc", rig->root);
    rig->sys = mlx_format("%s/sys", rig->root);
    rig->env = (mlx_sensor_env_t){rig->proc, rig->sys, "libmlx-no-such-library.so", NULL};
    rig->readings = mlx_readings_new();
    rig->now_us = 1000000000;
}

void rig_open(rig_t *rig, const char *machine, const char *backend)
{
    make_root(rig);
    MLX_CLEANUP(mlx_free_p) char *from = mlx_format("%s/%s/.", FIXTURES, machine);
    copy_tree(from, rig->root);
    rig->backend = rig_backend(backend);
    (void)rig_probe(rig);
}

void rig_open_empty(rig_t *rig, const char *backend)
{
    make_root(rig);
    rig->backend = rig_backend(backend);
}

static char *make_folders(const rig_t *rig, const char *path)
{
    char *whole = mlx_format("%s/%s", rig->root, path);
    for (char *p = whole + strlen(rig->root) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        (void)mkdir(whole, 0700);
        *p = '/';
    }
    return whole;
}

void rig_plant(const rig_t *rig, const char *path, const char *text)
{
    free(make_folders(rig, path));
    rig_write(rig, path, text);
}

void rig_plant_link(const rig_t *rig, const char *path, const char *target)
{
    MLX_CLEANUP(mlx_free_p) char *whole = make_folders(rig, path);
    assert_int_equal(symlink(target, whole), 0);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void rig_close(rig_t *rig)
{
    if (rig->state)
        rig->backend->close(&rig->state);
    mlx_readings_destroy(&rig->readings);
    if (rig->root)
        nftw(rig->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(rig->root);
    free(rig->proc);
    free(rig->sys);
    *rig = (rig_t){0};
}

int rig_sample(rig_t *rig, double seconds)
{
    assert_non_null(rig->state);
    rig->now_us += llround(seconds * 1e6);
    mlx_readings_reset(rig->readings);
    return rig->backend->sample(rig->state, rig->now_us, rig->readings, &rig->err);
}

void rig_write_bytes(const rig_t *rig, const char *path, const void *data, size_t len)
{
    MLX_CLEANUP(mlx_free_p) char *whole = mlx_format("%s/%s", rig->root, path);
    MLX_CLEANUP(mlx_close_p) int fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
}

void rig_write(const rig_t *rig, const char *path, const char *text)
{
    rig_write_bytes(rig, path, text, strlen(text));
}

void rig_remove(const rig_t *rig, const char *path)
{
    rig_write(rig, path, "");
    MLX_CLEANUP(mlx_free_p) char *whole = mlx_format("%s/%s", rig->root, path);
    assert_int_equal(unlink(whole), 0);
}

static const mlx_value_t *find(const rig_t *rig, const char *topic)
{
    for (size_t i = 0; i < mlx_readings_count(rig->readings); i++) {
        const char *name;
        const mlx_value_t *data = mlx_readings_at(rig->readings, i, &name);
        if (strcmp(name, topic) == 0)
            return data;
    }
    return NULL;
}

double rig_real(const rig_t *rig, const char *topic, const char *field)
{
    double value = NAN;
    const mlx_value_t *data = find(rig, topic);
    if (data)
        mlx_value_real(data, field, &value);
    return value;
}

const char *rig_str(const rig_t *rig, const char *topic, const char *field)
{
    const mlx_value_t *data = find(rig, topic);
    return data ? mlx_value_str(data, field) : NULL;
}

static const mlx_value_t *list_of(const rig_t *rig, const char *topic, const char *list)
{
    const mlx_value_t *data = find(rig, topic);
    return data ? mlx_value_get(data, list) : NULL;
}

const mlx_value_t *rig_item(const rig_t *rig, const char *topic, const char *list, size_t index)
{
    const mlx_value_t *items = list_of(rig, topic, list);
    assert_true(index < mlx_value_size(items));
    return mlx_value_at(items, index);
}

size_t rig_items(const rig_t *rig, const char *topic, const char *list)
{
    return mlx_value_size(list_of(rig, topic, list));
}

const char *rig_why(const rig_t *rig, const char *topic, const char *field)
{
    const mlx_value_t *missing = list_of(rig, topic, "missing");
    for (size_t i = 0; i < mlx_value_size(missing); i++) {
        const mlx_value_t *note = mlx_value_at(missing, i);
        if (strcmp(mlx_value_str(note, "field"), field) == 0)
            return mlx_value_str(note, "why");
    }
    return NULL;
}

void rig_check(const rig_t *rig, const char *topic, const char *field, double value,
               const char *file, int line)
{
    double got = rig_real(rig, topic, field);
    if (fabs(got - value) <= 1e-12 * fmax(1, fabs(value)))
        return;
    print_error("%s %s is %.17g, should be %.17g\n", topic, field, got, value);
    _fail(file, line);
}

void rig_check_absent(const rig_t *rig, const char *topic, const char *field, const char *file,
                      int line)
{
    const mlx_value_t *data = find(rig, topic);
    if (!data || !mlx_value_get(data, field))
        return;
    print_error("%s %s is there and should not be\n", topic, field);
    _fail(file, line);
}
