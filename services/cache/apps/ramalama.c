/*  ramalama - store/<transport>/<org>/<model>/{blobs,refs,snapshots}
 *
 *  refs/<tag>.json names a snapshot and its files; older versions wrote a text: the snapshot, then
 *  <name>---<type> lines. Files are those of snapshots/<hash>/, hard links or symbolic links to
 *  blobs/. Read only: ramalama links from other stores itself.
 */
#include "services/cache/apps/plain.h"

#include "common/base/file.h"
#include "common/base/json.h"
#include "services/cache/model/names.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DEPTH_MAX = 8,
    REF_MAX = 1024 * 1024
};

typedef struct {
    mlx_scan_t *scan;
    const char *store;
    const mlx_root_t *root;
} rama_scan_t;

static size_t rama_stores(const mlx_env_t *env, char *paths[MLX_STORES_MAX])
{
    size_t count = mlx_plain_add(paths, 0, mlx_env_path(env, "XDG_DATA_HOME", "/ramalama/store"));
    count = mlx_plain_add(paths, count, mlx_plain_home(env, "/.local/share/ramalama/store"));
    return mlx_plain_add(paths, count, mlx_strdup("/var/lib/ramalama/store"));
}

/*  The file NAME of a snapshot: itself, or the blob that its link leads to inside the store. */
static void add_file(const rama_scan_t *s, const char *model, const char *folder,
                     const char *snapshot, const char *name)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/snapshots/%s/%s", folder, snapshot, name);
    MLX_CLEANUP(mlx_free_p) char *full = mlx_root_join(s->root, path);
    MLX_CLEANUP(mlx_free_p) char *target = realpath(full, NULL);
    const char *root = mlx_root_path(s->root);
    size_t len = strlen(root);
    struct stat st;
    if (mlx_name_path(name, NULL) || !target || stat(target, &st) != 0 || !S_ISREG(st.st_mode)) {
        mlx_scan_problem(s->scan, "ramalama", model, "its file %.100s is missing", name);
        return;
    }
    bool inside = strncmp(target, root, len) == 0 && target[len] == '/';
    mlx_seen_t *seen = mlx_scan_add(s->scan, "ramalama", s->store, model, name,
                                    inside ? target + len + 1 : "", &st);
    seen->by_symlink = strcmp(target, full) != 0;
}

static void scan_text(const rama_scan_t *s, const char *model, const char *folder, char *text)
{
    char *rest = text, *snapshot = strsep(&rest, "\n");
    for (char *line; rest && (line = strsep(&rest, "\n"));) {
        char *type = strstr(line, "---");
        if (type)
            *type = '\0';
        if (*line && !mlx_name_path(snapshot, NULL))
            add_file(s, model, folder, snapshot, line);
    }
}

/*  "org/model:tag" without its transport, and without a tag that is "latest". Caller owns it. */
static char *model_name(const char *folder, const char *tag)
{
    const char *slash = strchr(folder, '/');
    const char *name = slash ? slash + 1 : folder;
    static const char library[] = "library/";
    if (strncmp(name, library, sizeof library - 1) == 0)
        name += sizeof library - 1;
    return strcmp(tag, "latest") == 0 ? mlx_strdup(name) : mlx_format("%s:%s", name, tag);
}

static void scan_ref(const rama_scan_t *s, const char *folder, const char *file)
{
    size_t len = 0, stem = strcspn(file, "\n");
    if (stem > 5 && strcmp(file + stem - 5, ".json") == 0)
        stem -= 5;
    MLX_CLEANUP(mlx_free_p) char *tag = mlx_strndup(file, stem);
    MLX_CLEANUP(mlx_free_p) char *model = model_name(folder, tag);
    MLX_CLEANUP(mlx_free_p) char *rel = mlx_format("%s/refs/%s", folder, file);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(s->root, rel);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_file_read(path, REF_MAX, &len, NULL);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *json = text && *text == '{' ? mlx_json_parse(text, len, NULL) : NULL;
    const mlx_value_t *files = mlx_value_get(json, "files");
    const char *snapshot = mlx_value_str(json, "hash");
    if (!text || (*text == '{' && (!json || !snapshot || mlx_name_path(snapshot, NULL))))
        mlx_scan_problem(s->scan, "ramalama", path, "cannot be read");
    else if (*text != '{')
        scan_text(s, model, folder, text);
    for (size_t i = 0; snapshot && i < mlx_value_size(files); i++) {
        const char *name = mlx_value_str(mlx_value_at(files, i), "name");
        if (name && !mlx_name_path(snapshot, NULL))
            add_file(s, model, folder, snapshot, name);
    }
}

/*  Call FN for each visible entry of the folder REL. */
static void each_entry(const rama_scan_t *s, const char *rel, unsigned depth,
                       void (*fn)(const rama_scan_t *s, const char *rel, const char *name,
                                  unsigned depth))
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(s->root, rel);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    mlx_scan_watch(s->scan, fd);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        mlx_close_p(&fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.')
            fn(s, rel, e->d_name, depth);
    closedir(dir);
}

static void on_ref(const rama_scan_t *s, const char *rel, const char *name, unsigned depth)
{
    (void)depth;
    MLX_CLEANUP(mlx_free_p) char *folder = mlx_strndup(rel, strlen(rel) - strlen("/refs"));
    scan_ref(s, folder, name);
}

/*  Whoever has refs is a model; the others are on the way to one. */
static void on_folder(const rama_scan_t *s, const char *rel, const char *name, unsigned depth)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s%s%s", rel, *rel ? "/" : "", name);
    MLX_CLEANUP(mlx_free_p) char *refs = mlx_format("%s/refs", path);
    struct stat st;
    if (mlx_fs_stat(s->root, path, &st, NULL) <= 0 || !S_ISDIR(st.st_mode))
        return;
    if (mlx_fs_stat(s->root, refs, &st, NULL) > 0 && S_ISDIR(st.st_mode))
        each_entry(s, refs, depth, on_ref);
    else if (depth < DEPTH_MAX)
        each_entry(s, path, depth + 1, on_folder);
}

static void rama_scan(mlx_scan_t *scan, const char *store, const mlx_root_t *root)
{
    const rama_scan_t s = {.scan = scan, .store = store, .root = root};
    each_entry(&s, "", 0, on_folder);
}

const mlx_adapter_t mlx_adapter_ramalama = {
    .name = "ramalama",
    .title = "RamaLama",
    .stores = rama_stores,
    .scan = rama_scan,
};
