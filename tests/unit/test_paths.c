/*  Where things are, and that nobody else can get into them */
#include "common/base/paths.h"

#include "fake_env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
    char dir[64];
    char variable[128];
} fixture_t;

static int make_dir(void **state)
{
    fixture_t *self = mlx_alloc(1, sizeof *self);
    snprintf(self->dir, sizeof self->dir, "/tmp/mlx-test-paths-XXXXXX");
    assert_non_null(mkdtemp(self->dir));
    *state = self;
    return 0;
}

static int remove_dir(void **state)
{
    fixture_t *self = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", self->dir);
    assert_int_equal(system(command), 0);
    free(self);
    return 0;
}

/*  "NAME=<the private directory>REST" */
static const char *variable(fixture_t *self, const char *name, const char *rest)
{
    snprintf(self->variable, sizeof self->variable, "%s=%s%s", name, self->dir, rest);
    return self->variable;
}

static void assert_path(char *path, const fixture_t *self, const char *rest)
{
    char expected[256];
    snprintf(expected, sizeof expected, "%s%s", self ? self->dir : "", rest);
    assert_non_null(path);
    assert_string_equal(path, expected);
    free(path);
}

static mode_t mode_of(const fixture_t *self, const char *rest)
{
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s%s", self->dir, rest);
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

static void assert_refused(char *path, const mlx_error_t *err, const char *part)
{
    assert_null(path);
    if (!strstr(err->text, part))
        fail_msg("\"%s\" does not say \"%s\"", err->text, part);
}

static void test_run_dir_order(void **state)
{
    fixture_t *self = *state;
    mlx_error_t err = {0};
    char own[32];
    snprintf(own, sizeof own, "/mlx-%u", (unsigned)geteuid());
    assert_path(mlx_paths_run_dir(FAKE_ENV(variable(self, "MLX_RUNTIME_DIR", "/a/b"),
                                           "XDG_RUNTIME_DIR=/nonexistent"),
                                  &err),
                self, "/a/b");
    assert_int_equal(mode_of(self, "/a/b"), 0700);
    assert_path(
        mlx_paths_run_dir(FAKE_ENV(variable(self, "XDG_RUNTIME_DIR", ""), "TMPDIR=/x"), &err), self,
        "/mlx");
    assert_path(mlx_paths_run_dir(FAKE_ENV("MLX_RUNTIME_DIR=", variable(self, "TMPDIR", "")), &err),
                self, own);
    /* A second time finds what is there. */
    assert_path(mlx_paths_run_dir(FAKE_ENV(variable(self, "TMPDIR", "")), &err), self, own);
}

static void test_run_dir_is_made_private(void **state)
{
    fixture_t *self = *state;
    mlx_error_t err = {0};
    assert_int_equal(chmod(self->dir, 0755), 0);
    assert_path(mlx_paths_run_dir(FAKE_ENV(variable(self, "MLX_RUNTIME_DIR", "")), &err), self, "");
    assert_int_equal(mode_of(self, ""), 0700);
}

static void test_run_dir_refuses_tricks(void **state)
{
    fixture_t *self = *state;
    mlx_error_t err = {0};
    char link[128];
    snprintf(link, sizeof link, "%s/link", self->dir);
    assert_int_equal(symlink("/tmp", link), 0);
    assert_refused(mlx_paths_run_dir(FAKE_ENV(variable(self, "MLX_RUNTIME_DIR", "/link")), &err),
                   &err, "is not a directory");
    assert_string_not_equal(err.hint, "");
    assert_int_equal(unlink(link), 0);
    FILE *file = fopen(link, "w");
    assert_non_null(file);
    fclose(file);
    assert_refused(mlx_paths_run_dir(FAKE_ENV(variable(self, "MLX_RUNTIME_DIR", "/link")), &err),
                   &err, "is not a directory");
    assert_refused(mlx_paths_run_dir(FAKE_ENV("MLX_RUNTIME_DIR=relative/path"), &err), &err,
                   "MLX_RUNTIME_DIR is \"relative/path\"");
    assert_refused(mlx_paths_run_dir(FAKE_ENV("MLX_RUNTIME_DIR=/proc/nowhere/mlx"), &err), &err,
                   "/proc/nowhere");
}

static void test_run_dir_of_another_user(void **state)
{
    fixture_t *self = *state;
    mlx_error_t err = {0};
    /* Root's own directories are another user's to everyone else; as root we give ours away. */
    bool root = geteuid() == 0;
    if (root)
        assert_int_equal(chown(self->dir, 12345, 12345), 0);
    const char *entry = root ? variable(self, "MLX_RUNTIME_DIR", "") : "MLX_RUNTIME_DIR=/";
    assert_refused(mlx_paths_run_dir(FAKE_ENV(entry), &err), &err, "not to you");
}

static void test_config_file(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    assert_path(mlx_paths_config_file(FAKE_ENV("MLX_CONFIG=/e/c.yaml", "HOME=/h"), &err), NULL,
                "/e/c.yaml");
    assert_path(mlx_paths_config_file(FAKE_ENV("XDG_CONFIG_HOME=/x", "HOME=/h"), &err), NULL,
                "/x/mlx/config.yaml");
#ifdef __APPLE__
    const char *at_home = "/h/Library/Application Support/mlx/config.yaml";
#else
    const char *at_home = "/h/.config/mlx/config.yaml";
#endif
    assert_path(mlx_paths_config_file(FAKE_ENV("HOME=/h"), &err), NULL, at_home);
    assert_refused(mlx_paths_config_file(FAKE_ENV("HOME=h"), &err), &err, "HOME");
}

static void test_state_dir(void **state)
{
    fixture_t *self = *state;
    mlx_error_t err = {0};
    assert_path(mlx_paths_state_dir(FAKE_ENV(variable(self, "MLX_STATE_DIR", "/s")), &err), self,
                "/s");
    assert_int_equal(mode_of(self, "/s"), 0700);
    assert_path(mlx_paths_state_dir(FAKE_ENV(variable(self, "XDG_STATE_HOME", "")), &err), self,
                "/mlx");
#ifndef __APPLE__
    assert_path(mlx_paths_state_dir(FAKE_ENV(variable(self, "HOME", "")), &err), self,
                "/.local/state/mlx");
    assert_int_equal(mode_of(self, "/.local/state/mlx"), 0700);
#endif
}

static void test_cache_dir_and_expansion(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    const mlx_env_t *env = FAKE_ENV("HOME=/h");
    assert_path(mlx_paths_cache_dir(FAKE_ENV("MLX_CACHE_DIR=/big/cache"), &err), NULL,
                "/big/cache");
    assert_path(mlx_paths_cache_dir(env, &err), NULL, "/h/.mlx-cache");
    assert_path(mlx_paths_expand(env, "~/a", &err), NULL, "/h/a");
    assert_path(mlx_paths_expand(env, "~", &err), NULL, "/h");
    assert_path(mlx_paths_expand(env, "~bob/a", &err), NULL, "~bob/a");
    assert_path(mlx_paths_expand(env, "/x/~", &err), NULL, "/x/~");
}

static void test_real_environment(void **state)
{
    fixture_t *self = *state;
    assert_int_equal(setenv("MLX_CACHE_DIR", self->dir, 1), 0);
    assert_path(mlx_paths_cache_dir(NULL, NULL), self, "");
    unsetenv("MLX_CACHE_DIR");
    /* Without HOME the user database knows. */
    char *path = mlx_paths_cache_dir(FAKE_ENV("X=1"), NULL);
    assert_non_null(strstr(path, "/.mlx-cache"));
    free(path);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(test_run_dir_order),
        IN_DIR(test_run_dir_is_made_private),
        IN_DIR(test_run_dir_refuses_tricks),
        IN_DIR(test_run_dir_of_another_user),
        cmocka_unit_test(test_config_file),
        IN_DIR(test_state_dir),
        cmocka_unit_test(test_cache_dir_and_expansion),
        IN_DIR(test_real_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
