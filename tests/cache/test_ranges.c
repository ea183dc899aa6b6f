/*  One large file over several connections, against the hub's double: pieces of 64 KiB stand for
 *  those of 32 MiB. */
#include "tests/cache/double.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PIECE = 65536,
    ELEMENTS = 300000, /* 1.2 MB: 19 pieces */
};

static const mlx_cache_add_options_t pieces = {.transfer = {.pause_ms = 1, .piece = PIECE}};
static const mlx_cache_add_options_t impatient = {
    .transfer = {.pause_ms = 1, .stall_ms = 300, .piece = PIECE}};

typedef struct {
    world_t *world;
    double_t *hub;
    mlx_buf_t content;
    char hex[MLX_HEX_MAX];
} bench_t;

static bench_t begin(void)
{
    bench_t b = {.world = world_new()};
    b.hub = double_new(b.world);
    fixture_gguf(&b.content, ELEMENTS, 7);
    mlx_sha256_hex(b.content.data, b.content.len, b.hex);
    double_file(b.hub, "org/one", "m-Q4_K_M.gguf", b.content.data, b.content.len);
    return b;
}

static void end(bench_t *b)
{
    double_faults(b->hub, "");
    double_destroy(&b->hub);
    world_destroy(&b->world);
    mlx_buf_clear(&b->content);
}

static mlx_value_t *add(bench_t *b, const mlx_cache_add_options_t *how, mlx_error_t *err)
{
    *err = (mlx_error_t){0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = world_open(b->world, true, err);
    return cache ? mlx_cache_add(cache, "org/one", how, err) : NULL;
}

static size_t in_partial(const bench_t *b)
{
    MLX_CLEANUP(mlx_free_p) char *folder = world_path(b->world, "cache/partial");
    MLX_CLEANUP(mlx_free_p) char *count = mlx_format("ls %s | wc -l", folder);
    FILE *list = popen(count, "r");
    size_t n = 0;
    assert_int_equal(fscanf(list, "%zu", &n), 1);
    pclose(list);
    return n;
}

static void check_content(bench_t *b)
{
    MLX_CLEANUP(mlx_free_p)
    char *path = world_path(b->world, "cache/models/org--one/m-Q4_K_M.gguf");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t got = {0};
    fixture_read(path, &got);
    assert_int_equal(got.len, b->content.len);
    assert_memory_equal(got.data, b->content.data, got.len);
    world_check_sound(b->world);
}

static void check_whole(bench_t *b)
{
    check_content(b);
    assert_int_equal(in_partial(b), 0);
}

/*  Bytes asked of the CDN so far, by the ranges in the double's log. */
static uint64_t bytes_asked(const bench_t *b)
{
    MLX_CLEANUP(mlx_free_p) char *path = world_path(b->world, "hub/.log");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t log = {0};
    fixture_read(path, &log);
    uint64_t sum = 0;
    for (const char *at = mlx_buf_str(&log); (at = strstr(at, "bytes=")); at++) {
        unsigned long long from, to;
        if (sscanf(at, "bytes=%llu-%llu", &from, &to) == 2)
            sum += to + 1 - from;
    }
    return sum;
}

static void test_pieces(void **state)
{
    (void)state;
    bench_t b = begin();
    mlx_error_t err;
    mlx_value_t *report = add(&b, &pieces, &err);
    if (!report)
        fail_msg("%s; %s", err.text, err.hint);
    mlx_value_destroy(&report);
    check_whole(&b);
    size_t count = (b.content.len + PIECE - 1) / PIECE;
    assert_int_equal(double_requests(b.hub, "/cdn/"), count);
    assert_int_equal(bytes_asked(&b),
                     b.content.len + PIECE); /* the first asks the hub and the CDN */
    assert_int_equal(double_requests(b.hub, "/resolve/"), 1);
    end(&b);
}

/*  The first piece does not end before others have been asked for: as soon as its answer has begun,
 *  all streams work. */
static void test_streams_join_the_first(void **state)
{
    (void)state;
    bench_t b = begin();
    mlx_error_t err;
    double_faults(b.hub, "together 1\n");
    mlx_value_t *report = add(&b, &pieces, &err);
    if (!report)
        fail_msg("%s; %s", err.text, err.hint);
    mlx_value_destroy(&report);
    check_whole(&b);
    assert_int_equal(double_requests(b.hub, "/cdn/"), (b.content.len + PIECE - 1) / PIECE);
    end(&b);
}

/*  Each of these ends in the right bytes, in one run. RESOLVED: how often the hub was asked, at
 *  most. */
static const struct {
    const char *faults;
    size_t resolved;
} passing[] = {
    {"drop 2 1000\n", 1}, /* two pieces at once */
    {"drop 1 0\ndrop 3 30000\n", 2},
    {"wrong 1\n", 1}, /* fetched again from its beginning */
    {"expired 1\n", 3},
    {"drop 1 20000\nexpired 1\n", 3}, /* in the middle of a piece */
    {"alone 1000 429\n", 40},
    {"alone 1000 403\n", 40},
    {"hang 1\n", 1},
    {"trickle 1\n", 1},
    {"norange 1\n", 2},
    {"norange 1000\n", 4},
    {"norange 1000\ndrop 1 200000\n", 4},
    {"badrange 1\n", 1},
    {"badrange 1000\n", 4},
    {"badtotal 2\n", 2},
    {"error500 0\n", 1},
    {"other-host\nleak\n", 1},
};

static void test_faults_that_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(passing); i++) {
        bench_t b = begin();
        mlx_error_t err;
        double_faults(b.hub, passing[i].faults);
        mlx_value_t *report = add(&b, &impatient, &err);
        if (!report)
            fail_msg("%s: %s; %s", passing[i].faults, err.text, err.hint);
        mlx_value_destroy(&report);
        check_whole(&b);
        size_t resolved = double_requests(b.hub, "/resolve/");
        if (resolved > passing[i].resolved)
            fail_msg("%s: resolved %zu times", passing[i].faults, resolved);
        size_t asked = double_requests(b.hub, "/cdn/");
        /* Right bytes that are said to be others are asked for again. */
        bool mislabelled = strncmp(passing[i].faults, "bad", 3) == 0;
        if (mislabelled && asked == (b.content.len + PIECE - 1) / PIECE)
            fail_msg("%s: the answer was taken", passing[i].faults);
        end(&b);
    }
}

static const struct {
    const char *faults;
    mlx_code_t code;
    const char *says;
} failing[] = {
    {"wrong\n", MLX_ERR_DATA_LOSS, "wrong bytes"},
    {"loop\n", MLX_ERR_UNAVAILABLE, "redirects too many times"},
    {"expired\n", MLX_ERR_UNAVAILABLE, "403"},
    {"evil-redirect\n", MLX_ERR_USAGE, "not encrypted"},
};

/*  Of wrong bytes none is kept. */
static void check_emptied(const bench_t *b)
{
    MLX_CLEANUP(mlx_free_p) char *path = world_path(b->world, "cache/partial/%s.part", b->hex);
    struct stat st;
    if (stat(path, &st) == 0)
        assert_int_equal(st.st_size, 0);
}

static void test_faults_that_end_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(failing); i++) {
        bench_t b = begin();
        mlx_error_t err;
        double_faults(b.hub, failing[i].faults);
        if (add(&b, &pieces, &err))
            fail_msg("%s was passed over", failing[i].faults);
        if (err.code != failing[i].code || !strstr(err.text, failing[i].says))
            fail_msg("%s: code %d, %s; %s", failing[i].faults, err.code, err.text, err.hint);
        assert_int_equal(world_inode(b.world, "cache/models/org--one"), 0);
        if (err.code == MLX_ERR_DATA_LOSS)
            check_emptied(&b);
        world_check_sound(b.world);
        double_faults(b.hub, "");
        mlx_value_t *report = add(&b, &pieces, &err);
        if (!report)
            fail_msg("after %s: %s; %s", failing[i].faults, err.text, err.hint);
        mlx_value_destroy(&report);
        check_whole(&b);
        end(&b);
    }
}

static void write_partial(const bench_t *b, const char *end_of_name, const void *data, size_t len)
{
    MLX_CLEANUP(mlx_free_p)
    char *path = world_path(b->world, "cache/partial/%s.%s", b->hex, end_of_name);
    fixture_write(path, data, len);
}

/*  What may lie there, by this version, by one without pieces, or by accident. ASKED: pieces that
 *  are fetched then. */
static const struct {
    const char *state;  /* NULL: none */
    const char *digits; /* NULL: no sidecar */
    size_t length;      /* of the part: right bytes */
    size_t spared;      /* pieces not asked for */
} leftovers[] = {
    {"400000 another-boot\n", NULL, 500000, 6},
    {"400000 another-boot\n", NULL, 300000, 4},
    {"junk", NULL, 500000, 0},
    {"99999999999999 another-boot\n", NULL, 500000, 7},
    {NULL, "1010000000000000000\n", SIZE_MAX, 2},
    {NULL, "1010000000000000000\n", 70000, 1},
    {NULL, "1010000000000000000\n", 0, 0},
    {NULL, "10x0000000000000000\n", SIZE_MAX, 0},
    {NULL, "1\n", SIZE_MAX, 0},
    {"400000 another-boot\n", "1010000000000000000\n", SIZE_MAX, 2},
};

static void test_leftovers(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(leftovers); i++) {
        bench_t b = begin();
        mlx_error_t err;
        mlx_cache_t *cache = world_open(b.world, true, &err);
        mlx_cache_destroy(&cache);
        size_t length = leftovers[i].length < b.content.len ? leftovers[i].length : b.content.len;
        write_partial(&b, "part", b.content.data, length);
        if (leftovers[i].state)
            write_partial(&b, "state", leftovers[i].state, strlen(leftovers[i].state));
        if (leftovers[i].digits) {
            MLX_CLEANUP(mlx_free_p)
            char *text = mlx_format("mlx-pieces 1 %s %zu %d\n%s", b.hex, b.content.len, PIECE,
                                    leftovers[i].digits);
            write_partial(&b, "pieces", text, strlen(text));
        }
        mlx_value_t *report = add(&b, &pieces, &err);
        if (!report)
            fail_msg("leftover %zu: %s; %s", i, err.text, err.hint);
        mlx_value_destroy(&report);
        check_whole(&b);
        size_t count = (b.content.len + PIECE - 1) / PIECE;
        if (double_requests(b.hub, "/cdn/") != count - leftovers[i].spared)
            fail_msg("leftover %zu: %zu pieces asked for", i, double_requests(b.hub, "/cdn/"));
        end(&b);
    }
}

static bool is_visible(const bench_t *b)
{
    return world_inode(b->world, "cache/models/org--one/m-Q4_K_M.gguf") != 0;
}

/*  What the sidecar says is there is never asked for again: a kill loses at most four pieces on
 *  their way and twice two not yet kept, and asks the hub once more. */
static void test_kills(void **state)
{
    (void)state;
    enum {
        KILLS = 30,
        SMALL = 16384
    };
    const mlx_cache_add_options_t how = {.transfer = {.pause_ms = 1, .piece = SMALL}};
    bench_t b = begin();
    mlx_error_t err;
    double_faults(b.hub, "pace 100000 0.04\n");
    unsigned seed = 4711, rounds = 1;
    for (unsigned kills = 0; kills < KILLS; kills++) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0)
            _exit(add(&b, &how, &err) ? 0 : 1);
        seed = seed * 1103515245u + 12345u;
        usleep(100000 + (seed >> 8) % 400000);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        if (!is_visible(&b))
            continue;
        /* A kill right after the blob was taken leaves its sidecar to clean. */
        check_content(&b);
        MLX_CLEANUP(mlx_free_p)
        char *clean = mlx_format("rm -rf %s %s/home", b.world->home, b.world->dir);
        assert_int_equal(system(clean), 0);
        rounds++;
    }
    double_faults(b.hub, "");
    mlx_value_t *report = add(&b, &how, &err);
    if (!report)
        fail_msg("%s; %s", err.text, err.hint);
    mlx_value_destroy(&report);
    check_content(&b);
    uint64_t asked = bytes_asked(&b);
    print_message("  killed %u times in %u downloads: %.2f times the bytes\n", KILLS, rounds,
                  (double)asked / (double)b.content.len / rounds);
    assert_true(asked <= rounds * b.content.len + (KILLS + rounds) * 9ull * SMALL);
    end(&b);
}

typedef struct {
    unsigned events;
    int64_t first, last, total;
    double rate;
} seen_t;

static void on_progress(void *arg, const mlx_value_t *event)
{
    seen_t *seen = arg;
    int64_t done = -1;
    if (!mlx_value_int(event, "done", &done))
        return; /* a file is in its place */
    mlx_value_int(event, "total", &seen->total);
    double rate = 0;
    if (mlx_value_real(event, "rate", &rate) && rate > seen->rate)
        seen->rate = rate;
    seen->first = seen->events++ ? seen->first : done;
    seen->last = done;
}

static void test_progress(void **state)
{
    (void)state;
    bench_t b = begin();
    mlx_error_t err = {0};
    seen_t seen = {0};
    /* One after the other, each 0.3 s later: some events lie between two of them. */
    mlx_cache_add_options_t how = pieces;
    how.transfer.streams = 1;
    double_faults(b.hub, "pace 100000 0.3\n");
    b.world->progress = on_progress;
    b.world->arg = &seen;
    mlx_value_t *report = add(&b, &how, &err);
    if (!report)
        fail_msg("%s; %s", err.text, err.hint);
    mlx_value_destroy(&report);
    assert_int_equal(seen.first, 0);
    assert_int_equal(seen.last, b.content.len);
    assert_int_equal(seen.total, b.content.len);
    assert_true(seen.events >= 3);
    assert_true(seen.rate > 0);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),           cmocka_unit_test(test_streams_join_the_first),
        cmocka_unit_test(test_faults_that_pass), cmocka_unit_test(test_faults_that_end_it),
        cmocka_unit_test(test_leftovers),        cmocka_unit_test(test_kills),
        cmocka_unit_test(test_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
