/*  What the cache says is done must outlive a power cut: files and folders are synced. */
#include "services/cache/plan/fsops.h"
#include "tests/cache/world.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __linux__

static unsigned files, folders;

/*  What libc has of that name is left aside: everything linked into this program calls this one. */
int fsync(int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0) {
        files += S_ISREG(st.st_mode);
        folders += S_ISDIR(st.st_mode);
    }
    return (int)syscall(SYS_fsync, fd);
}

static void test_folder_is_synced(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    const mlx_fs_t fs = {0};
    char *dir = fixture_dir();
    mlx_root_t *root = mlx_root_open(dir, &err);
    OK(root);
    folders = 0;
    OK(mlx_fs_sync_dir(&fs, root, "", &err) == 0);
    assert_int_equal(folders, 1);
    mlx_root_destroy(&root);
    fixture_remove(&dir);
}

static void test_file_is_synced(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    const mlx_fs_t fs = {0};
    char *dir = fixture_dir();
    mlx_root_t *root = mlx_root_open(dir, &err);
    OK(root);
    files = 0;
    OK(mlx_fs_write_file(&fs, root, "file", "text", 4, 0644, &err) == 0);
    assert_int_equal(files, 1);
    mlx_root_destroy(&root);
    fixture_remove(&dir);
}

#endif

typedef struct {
    const char *under; /* part of the paths that count */
    unsigned unsynced; /* moved there, and its folder not synced since */
    unsigned moves;
} trace_t;

static int trace_gate(void *arg, const char *operation, const char *path)
{
    trace_t *trace = arg;
    if (!strstr(path, trace->under))
        return 0;
    if (strcmp(operation, "move") == 0) {
        trace->moves++;
        trace->unsynced++;
    } else if (strcmp(operation, "sync") == 0) {
        trace->unsynced = 0;
    }
    return 0;
}

static void add_with(trace_t *trace)
{
    MLX_CLEANUP(world_destroy) world_t *w = world_new();
    mlx_error_t err = {0};
    char hex[MLX_HEX_MAX];
    world_lmstudio_model(w, "pub/one", 1, hex);
    w->fs = (mlx_fs_t){.gate = trace_gate, .arg = trace};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(w, true, &err);
    OK(cache);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *added = mlx_cache_adopt(cache, NULL, NULL, NULL, &err);
    OK(added);
    assert_true(trace->moves > 0);
    assert_int_equal(trace->unsynced, 0);
}

static void test_blobs_folder_is_synced(void **state)
{
    (void)state;
    trace_t trace = {.under = "/blobs/sha256/"};
    add_with(&trace);
}

static void test_views_folder_is_synced(void **state)
{
    (void)state;
    trace_t trace = {.under = "/models/"};
    add_with(&trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef __linux__
        cmocka_unit_test(test_folder_is_synced),
        cmocka_unit_test(test_file_is_synced),
#endif
        cmocka_unit_test(test_blobs_folder_is_synced),
        cmocka_unit_test(test_views_folder_is_synced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
