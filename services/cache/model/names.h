/*  names.h - what may become a path: digests, commits, repo ids, revisions, file paths, Ollama
 *  names
 *
 *  All of these come from outside (a hub, a registry, a manifest, the command line) and end up in
 *  paths or URLs, so each is checked here before anything touches the disk. A name that an app
 *  cannot express is an error, never shortened.
 *
 *      mlx_ollama_name_t name;
 *      if (mlx_name_ollama("hf.co/org/repo:Q4_K_M", &name, &err) == 0)
 *          printf("%s %s %s %s\n", name.host, name.space, name.model, name.tag);
 *
 *  All return 0, or -1 with code usage and a text that quotes the name.
 */
#ifndef MLX_CACHE_MODEL_NAMES_H
#define MLX_CACHE_MODEL_NAMES_H

#include "services/cache/store/digest.h"

enum {
    MLX_PATH_BYTES = 1024, /* of a repository file path, without the NUL */
    MLX_PATH_DEPTH = 16,   /* its components */
    MLX_REPO_BYTES = 96,   /* of an owner or a repository name at the hub */
};

/*  "sha256:<64 hex>" or "sha256-<64 hex>", either case, as bare lower-case digits. */
int mlx_name_digest(const char *s, char hex[MLX_HEX_MAX], mlx_error_t *err);

/*  A commit (40 lower-case hex digits), an etag or blob id (40 or 64). */
int mlx_name_commit(const char *s, mlx_error_t *err);
int mlx_name_etag(const char *s, mlx_error_t *err);

/*  Hugging Face: "owner/name" (or an old bare "name"). */
int mlx_name_repo(const char *s, mlx_error_t *err);

/*  Branch, tag, commit or "refs/pr/1". */
int mlx_name_revision(const char *s, mlx_error_t *err);

/*  Path of a file inside a repository: relative, '/' between components, none of them empty, "." or
 *  "..", ending in a dot or a space, or a device name of Windows; UTF-8 without control characters,
 *  \ and :. Whether two spellings are one file for a file system is mlx_name_distinct's question. */
int mlx_name_path(const char *s, mlx_error_t *err);

/*  No two of COUNT valid paths may be one file on a file system that ignores case or normalises
 *  names (NFC, NFD), nor one be a folder of another. */
int mlx_name_distinct(const char *const *paths, size_t count, mlx_error_t *err);

typedef struct {
    char host[351];
    char space[81];
    char model[81];
    char tag[81];
} mlx_ollama_name_t;

/*  "[host/][namespace/]model[:tag]" with Ollama's defaults filled in: registry.ollama.ai, library,
 *  latest. A scheme and the source suffixes "cloud" and "local" are refused. */
int mlx_name_ollama(const char *s, mlx_ollama_name_t *name, mlx_error_t *err);

/*  As a person writes it: without the parts that are defaults, the tag always there. Caller owns
 *  the string and must free it. */
char *mlx_name_ollama_short(const mlx_ollama_name_t *name);

/*  Does PATTERN (`*` any run including '/', `?` one, `[...]` a set) match PATH, case counts. */
bool mlx_name_match(const char *pattern, const char *path);

#endif
