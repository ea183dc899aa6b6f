/*  os.h on the system at hand: each answer against an independent one. */
#include "common/os/os.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
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
    static const char *const names[] = {"a", "b", "clone"};
    for (size_t i = 0; i < MLX_COUNT(names); i++)
        unlinkat(dir->fd, names[i], 0);
    close(dir->fd);
    assert_int_equal(rmdir(dir->path), 0); /* nothing else was left there */
    free(dir);
    return 0;
}

static int write_file(const dir_t *dir, const char *name, const char *text)
{
    int fd = openat(dir->fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

static void file_holds(const dir_t *dir, const char *name, const char *text)
{
    char bytes[64] = "";
    int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(read(fd, bytes, sizeof bytes - 1) >= 0);
    close(fd);
    assert_string_equal(bytes, text);
}

static void *name_thread(void *name)
{
    mlx_os_thread_name("a name that is too long for it");
    pthread_getname_np(pthread_self(), name, 64);
    return NULL;
}

static void thread_has_the_name(void **state)
{
    (void)state;
    char name[64] = "";
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, name_thread, name), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_memory_equal(name, "a name that is ", 15);
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

static void sync_says_when_it_cannot(void **state)
{
    mlx_error_t err = {0};
    int fd = write_file(*state, "a", "text");
    assert_int_equal(mlx_os_fsync(fd, &err), 0);
    close(fd);
    assert_int_equal(mlx_os_fsync(fd, &err), -1);
    assert_int_equal(err.code, MLX_ERR_FAILED);
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

static uint64_t private_bytes(int fd)
{
    mlx_error_t err = {0};
    uint64_t bytes = UINT64_MAX;
    assert_int_equal(mlx_os_private_size(fd, &bytes, &err), 0);
    return bytes;
}

/*  A block shared by two files is private to neither, until one of them writes. */
static void clone_shares_blocks(const dir_t *dir)
{
    mlx_error_t err = {0};
    static char block[65536];
    memset(block, 'x', sizeof block);
    int from = write_file(dir, "a", "");
    assert_int_equal(write(from, block, sizeof block), sizeof block);
    assert_int_equal(private_bytes(from), sizeof block);
    unlinkat(dir->fd, "clone", 0);
    assert_int_equal(mlx_os_clone(from, dir->fd, "clone", 0600, &err), 0);
    int to = openat(dir->fd, "clone", O_RDWR | O_CLOEXEC);
    assert_true(to >= 0);
    assert_int_equal(private_bytes(from), 0);
    assert_int_equal(private_bytes(to), 0);
    assert_int_equal(pwrite(to, block, sizeof block, 0), sizeof block);
    assert_int_equal(private_bytes(to), sizeof block);
    close(to);
    close(from);
}

/*  Where the file system clones, content and privacy are checked; where it does not, that it says
 *  so and leaves nothing behind. */
static void clone_or_says_it_cannot(void **state)
{
    const dir_t *dir = *state;
    mlx_error_t err = {0};
    int fd = write_file(dir, "a", "shared");
    if (mlx_os_clone(fd, dir->fd, "clone", 0600, &err) == 0) {
        file_holds(dir, "clone", "shared");
        clone_shares_blocks(dir);
    } else {
        assert_int_equal(err.code, MLX_ERR_UNAVAILABLE);
        assert_int_equal(faccessat(dir->fd, "clone", F_OK, 0), -1);
    }
    close(write_file(dir, "b", "precious"));
    assert_int_equal(mlx_os_clone(fd, dir->fd, "b", 0600, &err), -1);
    assert_int_equal(err.code, MLX_ERR_DATA_LOSS);
    file_holds(dir, "b", "precious");
    close(fd);
}

static void private_size_of_a_lone_file(void **state)
{
    mlx_error_t err = {0};
    uint64_t bytes = 0;
    char block[8192];
    memset(block, 'x', sizeof block - 1);
    block[sizeof block - 1] = '\0';
    int fd = write_file(*state, "a", "");
    if (mlx_os_private_size(fd, &bytes, &err)) {
        assert_int_equal(err.code, MLX_ERR_UNAVAILABLE);
        close(fd);
        skip();
    }
    assert_int_equal(bytes, 0);
    for (int i = 0; i < 200; i++) /* with holes: more extents than one question has room for */
        assert_true(pwrite(fd, block, sizeof block, (off_t)i * 65536) > 0);
    struct stat status;
    assert_int_equal(mlx_os_private_size(fd, &bytes, &err), 0);
    assert_int_equal(fstat(fd, &status), 0);
    /* Extents hold data only; blocks also the file system's own bookkeeping. */
    assert_true(bytes >= 200 * sizeof block);
    assert_true(bytes <= (uint64_t)status.st_blocks * 512 + 65536);
    close(fd);
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

static void exchange_swaps_two_names(void **state)
{
    const dir_t *dir = *state;
    mlx_error_t err = {0};
    close(write_file(dir, "a", "one"));
    close(write_file(dir, "b", "two"));
    if (mlx_os_exchange(dir->fd, "a", dir->fd, "b", &err)) {
        assert_int_equal(err.code, MLX_ERR_UNAVAILABLE);
        file_holds(dir, "a", "one");
        skip();
    }
    file_holds(dir, "a", "two");
    file_holds(dir, "b", "one");
    assert_int_equal(mlx_os_exchange(dir->fd, "a", dir->fd, "missing", &err), -1);
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
    file_holds(dir, "a", "two");
}

#define IN_DIR(function) cmocka_unit_test_setup_teardown(function, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread_has_the_name),
        cmocka_unit_test(peer_is_the_other_process),
        IN_DIR(sync_says_when_it_cannot),
        IN_DIR(volume_as_the_system_says),
        IN_DIR(clone_or_says_it_cannot),
        IN_DIR(private_size_of_a_lone_file),
        cmocka_unit_test(footprint_follows_memory),
        cmocka_unit_test(executable_is_this_program),
        IN_DIR(exchange_swaps_two_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
