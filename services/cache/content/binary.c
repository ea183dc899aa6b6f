/*  Files that are not text: pickles, archives, arrays, machine code. */
#include "services/cache/content/archive.h"
#include "services/cache/content/content.h"
#include "services/cache/content/pickle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MAX = 3,
    HEAD_BYTES = 64 * 1024,
    MEMBER_MAX = 64 * 1024 * 1024,    /* bytes of one packed member that is looked at */
    INFLATED_MAX = 512 * 1024 * 1024, /* bytes of all of them in one model */
    ARRAY_HEADER_MAX = 64 * 1024
};

typedef struct {
    mlx_content_t *content;
    const char *path; /* of the archive inside the file; "" */
    unsigned depth;
} place_t;

static void look(const place_t *place, const char *name, const mlx_source_t *source);

static const char pickle_names[] = ".bin .pt .pth .ckpt .pkl .pickle .p .pk .th .t7 .dill .joblib "
                                   ".pdparams .pdopt .dat .data .params .weights .sav .mar .ot "
                                   ".nemo .distcp";
static const char packed_names[] = ".pt .pth .ckpt .pkl .pickle .p .joblib .dill .sav .nemo .mar "
                                   ".tar .tgz .gz .xz .bz2 .bin";

typedef struct {
    const char *bytes;
    size_t len;
} mark_t;

static const mark_t packers[] = {
    {"\37\213", 2},            /* gzip */
    {"BZh", 3},                /* bzip2 */
    {"\3757zXZ", 5},           /* xz */
    {"7z\274\257\047\034", 6}, /* 7z */
    {"Rar!", 4},
    {"\050\265\057\375", 4}, /* zstd */
    {"\004\042\115\030", 4}, /* lz4 */
};

/*  ELF; Mach-O in both word sizes and byte orders, and universal; llamafile. */
static const mark_t programs[] = {
    {"\177ELF", 4},          {"\376\355\372\316", 4}, {"\376\355\372\317", 4},
    {"\316\372\355\376", 4}, {"\317\372\355\376", 4}, {"\312\376\272\276", 4},
    {"MZqFpD", 6},
};

/* ---- marks ---- */

static bool is_program(const mlx_source_t *source)
{
    unsigned char place[4];
    for (size_t i = 0; i < MLX_COUNT(programs); i++)
        if (mlx_source_has(source, 0, programs[i].bytes, programs[i].len))
            return true;
    return mlx_source_has(source, 0, "MZ", 2) &&
           mlx_source_read(source, 0x3c, place, sizeof place) == sizeof place &&
           mlx_source_has(source, mlx_little(place, 4), "PE\0\0", 4);
}

static bool is_packed(const mlx_source_t *source)
{
    unsigned char head[2] = {0};
    for (size_t i = 0; i < MLX_COUNT(packers); i++)
        if (mlx_source_has(source, 0, packers[i].bytes, packers[i].len))
            return true;
    /* zlib, as joblib packs: its two bytes are a multiple of 31. */
    mlx_source_read(source, 0, head, sizeof head);
    return head[0] == 0x78 && (head[0] << 8 | head[1]) % 31 == 0;
}

static bool begins_as_pickle(const mlx_source_t *source)
{
    unsigned char head[2];
    return mlx_source_read(source, 0, head, sizeof head) == sizeof head && head[0] == 0x80 &&
           head[1] <= 5;
}

/* ---- kinds ---- */

static void found(const place_t *place, const char *name, const char *text)
{
    MLX_CLEANUP(mlx_free_p) char *where = mlx_format("%s%s", place->path, name);
    mlx_found(&place->content->found, true, where, "%s", text);
}

/*  The type of an array is in its header, a Python literal: 'O' is Python objects, as a pickle. */
static void check_array(const place_t *place, const char *name, const mlx_source_t *source)
{
    unsigned char head[12];
    if (mlx_source_read(source, 0, head, sizeof head) != sizeof head)
        return;
    size_t start = head[6] == 1 ? 10 : 12, len = (size_t)mlx_little(head + 8, start - 8);
    const mlx_source_t header = mlx_source_part(source, start, len);
    if (len > ARRAY_HEADER_MAX)
        found(place, name, "is an array whose header cannot be checked");
    else if (mlx_source_find(&header, "|O", 2) != UINT64_MAX ||
             mlx_source_find(&header, "'O", 2) != UINT64_MAX ||
             mlx_source_find(&header, "\"O", 2) != UINT64_MAX)
        found(place, name, "is an array of Python objects, which is a pickle");
}

static void check_tensorflow(const place_t *place, const char *name, const mlx_source_t *source)
{
    static const char *const operations[] = {"ReadFile", "WriteFile", "PyFunc", "EagerPyFunc",
                                             "PyFuncStateless"};
    for (size_t i = 0; i < MLX_COUNT(operations); i++) {
        /* As the second field of a node: its number, its length, its bytes. */
        MLX_CLEANUP(mlx_free_p)
        char *field = mlx_format("\x12%c%s", (int)strlen(operations[i]), operations[i]);
        MLX_CLEANUP(mlx_free_p)
        char *text =
            mlx_format("uses the operation %s, which reaches outside the model", operations[i]);
        if (mlx_source_find(source, field, strlen(field)) != UINT64_MAX)
            found(place, name, text);
    }
}

/*  A Lambda layer holds marshalled Python code. */
static void check_keras(const place_t *place, const char *name, const mlx_source_t *source)
{
    static const char *const spellings[] = {"\"class_name\": \"Lambda\"",
                                            "\"class_name\":\"Lambda\""};
    for (size_t i = 0; i < MLX_COUNT(spellings); i++)
        if (mlx_source_find(source, spellings[i], strlen(spellings[i])) != UINT64_MAX) {
            found(place, name, "has a Lambda layer, which is Python code");
            return;
        }
}

/* ---- archives ---- */

static bool is_worth_unpacking(const char *name, const mlx_source_t *head)
{
    return mlx_content_ends(name, pickle_names) || mlx_content_ends(name, "config.json") ||
           begins_as_pickle(head) || mlx_archive_kind(head) != MLX_ARCHIVE_NONE;
}

static void look_at_packed(const place_t *place, const mlx_member_t *member)
{
    size_t len = 0;
    bool ended = false;
    MLX_CLEANUP(mlx_free_p) char *bytes = mlx_member_inflate(member, HEAD_BYTES, &len, &ended);
    mlx_source_t source = mlx_source_memory(bytes ? bytes : "", bytes ? len : 0);
    bool wanted = bytes && !ended && is_worth_unpacking(member->name, &source);
    if (wanted) {
        free(bytes);
        bytes = mlx_member_inflate(member, MEMBER_MAX, &len, &ended);
        source = mlx_source_memory(bytes ? bytes : "", bytes ? len : 0);
    }
    place->content->inflated += len;
    bool whole = bytes && (ended || !wanted);
    if (!whole || place->content->inflated > INFLATED_MAX)
        found(place, member->name, "is packed in a way that cannot be checked");
    else
        look(place, member->name, &source);
}

static void look_at_member(void *arg, const mlx_member_t *member)
{
    const place_t *place = arg;
    if (member->unreadable)
        found(place, member->name, "is packed in a way that cannot be checked");
    else if (place->content->inflated > INFLATED_MAX)
        return;
    else if (member->deflated)
        look_at_packed(place, member);
    else
        look(place, member->name, &member->packed);
    if (mlx_content_ends(member->name, ".data/extern_modules"))
        found(place, member->name, "is a torch package, which is Python code");
}

static void look_inside(const place_t *place, const char *name, const mlx_source_t *source)
{
    MLX_CLEANUP(mlx_free_p)
    char *path = place->depth ? mlx_format("%s%s/", place->path, name) : mlx_strdup("");
    place_t inside = {.content = place->content, .path = path, .depth = place->depth + 1};
    if (inside.depth > DEPTH_MAX)
        found(place, name, "is an archive inside too many others to be checked");
    else if (mlx_archive_walk(source, look_at_member, &inside))
        found(place, name, "is a damaged archive, which cannot be checked");
}

/*  NAME is the file, or a member of it. */
static void look(const place_t *place, const char *name, const mlx_source_t *source)
{
    MLX_CLEANUP(mlx_free_p) char *where = mlx_format("%s%s", place->path, place->depth ? name : "");
    bool archive = mlx_archive_kind(source) != MLX_ARCHIVE_NONE;
    bool zip = mlx_source_has(source, 0, "PK", 2);
    if (is_program(source))
        found(place, name, "is a program or a library of machine code");
    if (archive)
        look_inside(place, name, source);
    if (mlx_source_has(source, 0, "\x93NUMPY", 6))
        check_array(place, name, source);
    else if (!zip && (begins_as_pickle(source) || mlx_content_ends(name, pickle_names)))
        mlx_pickle_scan(source, where, &place->content->found);
    if (!archive && mlx_content_ends(name, packed_names) && is_packed(source))
        found(place, name, "is packed in a way that cannot be checked");
    if (mlx_content_ends(name, ".h5 .hdf5 .keras config.json"))
        check_keras(place, name, source);
    if (mlx_content_ends(name, ".pb"))
        check_tensorflow(place, name, source);
}

void mlx_content_binary(mlx_content_t *self, const char *name, const mlx_source_t *source)
{
    const place_t place = {.content = self, .path = ""};
    look(&place, name, source);
}
