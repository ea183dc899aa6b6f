/*  os.h on the system at hand: each answer against an independent one. */
#include "common/os/os.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/*  A private folder in $TMPDIR, its descriptor, and where it is: run the program with TMPDIR on a
 *  volume of another type to test that one. */
typedef struct {
    char path[PATH_MAX];
    int fd;
} dir_t;

static int make_dir(void **state)
{
    dir_t *dir = mlx_alloc(1, sizeof *dir);
    const char *base = getenv("TMPDIR");
    snprintf(dir->path, sizeof dir->path, "%s/mlx-os-XXXXXX", base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(dir->path));
    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir->fd >= 0);
    *state = dir;
    return 0;
}

static int remove_dir(void **state)
{
    dir_t *dir = *state;
    close(dir->fd);
    assert_int_equal(rmdir(dir->path), 0); /* nothing else was left there */
    free(dir);
    return 0;
}

static void peer_is_the_other_process(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    mlx_os_peer_t peer = {0};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(mlx_os_peer(pair[0], &peer, &err), 0);
    assert_int_equal(peer.uid, geteuid());
    assert_int_equal(peer.gid, getegid());
    assert_int_equal(peer.pid, getpid());
    close(pair[0]);
    close(pair[1]);
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(mlx_os_peer(file, &peer, &err), -1);
    close(file);
    int inet = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(mlx_os_peer(inet, &peer, &err), -1);
    close(inet);
}

/*  What findmnt(8) or df(1) says of the file's mount. */
static void volume_as_the_system_says(void **state)
{
    const dir_t *dir = *state;
    mlx_error_t err = {0};
    mlx_os_volume_t volume, other;
    char command[PATH_MAX + 32], type[32] = "";
    assert_int_equal(mlx_os_volume(dir->path, &volume, &err), 0);
    snprintf(command, sizeof command, "stat -f -c %%T %s", dir->path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%31s", type), 1);
    pclose(pipe);
    if (strcmp(type, "ext2/ext3") == 0)
        strcpy(type, "ext4");
    if (strcmp(type, "overlayfs") == 0)
        strcpy(type, "overlay");
    assert_string_equal(volume.type, type);
    assert_int_equal(mlx_os_volume("/proc", &other, &err), 0);
    assert_true(volume.id != other.id);
    assert_true(strncmp(volume.identity, "uuid:", 5) == 0 ||
                strncmp(volume.identity, "fsid:", 5) == 0);
    assert_memory_equal(other.identity, "fsid:", 5);
    assert_non_null(strchr(other.identity, '@'));
    assert_memory_equal(other.type, "0x9fa0", 7); /* not in the table: its number */
    assert_int_equal(mlx_os_volume("/nonexistent", &other, &err), -1);
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
}

static void footprint_follows_memory(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    uint64_t before = 0, after = 0;
    const size_t size = 32 << 20;
    assert_int_equal(mlx_os_footprint(&before, &err), 0);
    char *block = malloc(size);
    assert_non_null(block);
    memset(block, 1, size);
    assert_int_equal(mlx_os_footprint(&after, &err), 0);
    assert_true(after > before + size / 2);
    assert_int_equal(block[size / 2], 1);
    free(block);
}

static void executable_is_this_program(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    struct stat mine, proc;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_os_executable(&err);
    assert_non_null(path);
    assert_true(path[0] == '/');
    assert_int_equal(stat(path, &mine), 0);
    assert_int_equal(stat("/proc/self/exe", &proc), 0);
    assert_int_equal(mine.st_ino, proc.st_ino);
    assert_non_null(strstr(path, "test_os"));
}

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/*  Large blocks between small ones that stay: the heap's end does not shrink. */
static void holes_of_the_heap_are_given_back(void **state)
{
    enum {
        BLOCKS = 1000,
        LARGE = 50000
    };
    static char *large[BLOCKS], *small[BLOCKS];
    uint64_t full, after;
    (void)state;
    const char *preload = getenv("LD_PRELOAD");
    if (preload && strstr(preload, "vgpreload"))
        skip(); /* its malloc gives nothing back */
    for (size_t i = 0; i < BLOCKS; i++) {
        large[i] = mlx_alloc(1, LARGE);
        memset(large[i], 1, LARGE);
        small[i] = mlx_alloc(1, 100);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        free(large[i]);
    assert_int_equal(mlx_os_footprint(&full, NULL), 0);
    mlx_os_trim();
    assert_int_equal(mlx_os_footprint(&after, NULL), 0);
    assert_true(after + (uint64_t)BLOCKS * LARGE / 2 < full);
    for (size_t i = 0; i < BLOCKS; i++)
        free(small[i]);
}
#endif

#define IN_DIR(function) cmocka_unit_test_setup_teardown(function, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peer_is_the_other_process),
        IN_DIR(volume_as_the_system_says),
        cmocka_unit_test(footprint_follows_memory),
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(holes_of_the_heap_are_given_back),
#endif
        cmocka_unit_test(executable_is_this_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
