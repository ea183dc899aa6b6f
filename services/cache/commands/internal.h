/*  internal.h - what the files that implement cache.h share; nobody else includes it */
#ifndef MLX_CACHE_COMMANDS_INTERNAL_H
#define MLX_CACHE_COMMANDS_INTERNAL_H

#include "proto/buf.h"
#include "services/cache/cache.h"
#include "services/cache/model/names.h"
#include "services/cache/remote/hub.h"

#include <pthread.h>
#include <stdatomic.h>

/*  How far the present work is, in bytes. Pieces may be counted by several threads; only the one
 *  that began it tells. */
typedef struct {
    const char *operation;
    const char *phase;
    char model[256];
    uint64_t total; /* 0: nothing to tell */
    size_t piece;
    uint64_t said;
    atomic_ullong done;
    pthread_t thread;
} mlx_cache_meter_t;

struct mlx_cache {
    mlx_cache_options_t options;
    char *home_path;
    mlx_root_t *home;
    mlx_roots_t *roots;
    mlx_db_t *db;
    mlx_engine_t engine;
    int lock;           /* -1: not held */
    int64_t views_plan; /* the operation that views_linked was asked for */
    bool views_linked;  /* an app has a folder below models/ by a link */
    int clones;         /* 0: not tried; 1: files can be cloned in the home; -1: not */
    mlx_cache_meter_t meter;
};

/*  0 when the cache was opened to write. */
int mlx_cache_need_write(const mlx_cache_t *self, mlx_error_t *err);

/*  The first folder under models/ that is not a model's, or NULL. Rows come before names and go
 *  after them, so there is none unless the registry was lost: then a blob that no row names says
 *  nothing. Caller owns it. */
char *mlx_cache_unknown_view(const mlx_cache_t *self);

/*  Progress. begin: TOTAL bytes of work (0: none to tell) in pieces of PIECE bytes, words borrowed
 *  for good; piece: one of them is done, to be given as STOP with the cache as its ARG; done: the
 *  count of bytes where it is known. file: FILE is verified and in its place, HOW is "downloaded",
 *  "present", "shared", "copied", "read" or "sent", APP (may be NULL) where it came from or went
 *  to. */
void mlx_cache_tell_begin(mlx_cache_t *self, const char *operation, const char *phase,
                          const char *model, uint64_t total, size_t piece);
bool mlx_cache_piece(void *cache);
void mlx_cache_tell_done(mlx_cache_t *self, uint64_t done);
void mlx_cache_tell_file(mlx_cache_t *self, const char *model, const char *file, uint64_t size,
                         const char *how, const char *app);

/*  Volumes. of: what names the volume at PATH (caller owns it; NULL: not known). note: remember
 *  where SCAN found stores. hold: does a link on a volume that is away lead to the inode INO of the
 *  home. add_users: apps that have MODEL on such a volume, into used_by. list: every store and link
 *  that is away, as problems. away: is what was at ROOT, on VOLUME (NULL: look it up), not here
 *  now. forget: what APP has of the model WHAT, or in the folder WHAT, on such a volume will not
 *  come back. */
char *mlx_volumes_of(const char *path);
void mlx_volumes_note(mlx_cache_t *self, const mlx_scan_t *scan);
bool mlx_volumes_hold(mlx_cache_t *self, uint64_t ino);
void mlx_volumes_add_users(mlx_cache_t *self, const mlx_model_t *model, mlx_value_t *uses);
void mlx_volumes_list(mlx_cache_t *self, mlx_value_t *list);
bool mlx_volumes_away(mlx_cache_t *self, const char *root, const char *volume);
int mlx_volumes_forget(mlx_cache_t *self, const char *app, const char *what, size_t *count,
                       mlx_error_t *err);

/*  The cache's own folder. need_home: an error when it was on another volume than what is at its
 *  place now, where nothing is begun again; note_home: remember its volume. */
int mlx_volumes_need_home(const mlx_cache_options_t *options, mlx_error_t *err);
void mlx_volumes_note_home(const mlx_cache_options_t *options);

/*  Operations that could not be ended: {app, path, text, hint} of each into LIST; let ID go as it
 *  is. */
void mlx_cache_list_aside(mlx_cache_t *self, mlx_value_t *list);
int mlx_cache_let_go(mlx_cache_t *self, int64_t id, mlx_error_t *err);

/*  0 when FILE of MODEL is there and has its bytes, else ERR with the hint. */
int mlx_cache_need_sound(mlx_cache_t *self, const char *model, const mlx_model_file_t *file,
                         mlx_error_t *err);

/*  What lacks files that it names itself (model/complete.h). find_gaps: mark and report the models
 *  of SCAN; need_whole: 0 when the cached MODEL is whole; need_whole_files: when the CHOSEN ones of
 *  FILES are, that an app has as MODEL. */
void mlx_cache_find_gaps(mlx_cache_t *self, mlx_scan_t *scan);
int mlx_cache_need_whole(mlx_cache_t *self, const mlx_model_t *model, mlx_error_t *err);
int mlx_cache_need_whole_files(mlx_cache_t *self, const char *model, const mlx_seen_t *files,
                               const size_t *chosen, size_t count, mlx_error_t *err);

/*  What else the apps' folders hold, into REPORT as "others" and their sum: {app, kind, path,
 *  bytes, changed_at, hint}, kind being datasets, spaces, kernels, incomplete, xet, revisions or
 *  partial. old_others: those of a status that changed before that time; the caller owns it. */
void mlx_cache_list_others(mlx_cache_t *self, const mlx_scan_t *scan, mlx_value_t *report);
mlx_value_t *mlx_cache_old_others(const mlx_value_t *status, int64_t before);

/*  The hub client's cache of chunks, there or not. Caller owns it; NULL: nothing names it. */
char *mlx_cache_xet_folder(const mlx_env_t *env);

/*  Names that this cache gave to files of MODEL, in its view and in the apps, and whose bytes went
 *  bad since: each gets those of the blob. What somebody wrote to is left alone. */
int mlx_cache_mend_names(mlx_cache_t *self, const mlx_model_t *model, mlx_error_t *err);

/*  Bring MODEL back as undo does, with a report of it into LIST. */
int mlx_cache_bring_model(mlx_cache_t *self, const mlx_model_t *model,
                          const mlx_cache_transfer_t *transfer, mlx_value_t *list,
                          mlx_error_t *err);

/*  What clean and remove freed, written down with their operation PLAN, and brought back from
 *  there. */
void mlx_cache_record(mlx_cache_t *self, mlx_cache_plan_t *plan, mlx_model_t *const *models,
                      size_t count);
mlx_value_t *mlx_cache_bring_back(mlx_cache_t *self, const mlx_cache_plan_t *plan, bool dry_run,
                                  const mlx_cache_transfer_t *transfer, mlx_error_t *err);

/*  Methods allowed for weights, with or without a COPY, and for small files. */
unsigned mlx_cache_weight_methods(bool copy);
unsigned mlx_cache_small_methods(void);

/*  Can files be cloned where the cache lies: tried once, with a small file. */
bool mlx_cache_can_clone(mlx_cache_t *self);

/*  Bytes that the files of the cache and of all apps take on the disk, as it is now, without those
 *  that have names elsewhere too; and what would be freed if the files of PLAN and the views of
 *  COUNT models went, of which apps may have other names. */
int mlx_cache_held(mlx_cache_t *self, uint64_t *bytes, mlx_error_t *err);
int mlx_cache_would_free(mlx_cache_t *self, const mlx_cache_plan_t *plan,
                         mlx_model_t *const *models, size_t count, uint64_t *bytes,
                         mlx_error_t *err);

/*  A fresh look at all stores. Caller owns it and must destroy it. */
mlx_scan_t *mlx_cache_look(mlx_cache_t *self, mlx_error_t *err);

/*  Content. inspect: what the files of MODEL could do when they are loaded and its licence, as
 *  {"findings", "license"}; NULL with ERR when it is refused. keep_notes: store them beside it;
 *  add_notes: put what is stored into a REPORT of it. */
mlx_value_t *mlx_cache_inspect(mlx_cache_t *self, const mlx_model_t *model, mlx_error_t *err);
int mlx_cache_keep_notes(mlx_cache_t *self, const char *model, const mlx_value_t *notes,
                         mlx_error_t *err);
void mlx_cache_add_notes(mlx_cache_t *self, const char *model, mlx_value_t *report);

/*  Inspect MODEL, store it in the registry and make its view under models/. */
int mlx_cache_publish(mlx_cache_t *self, const mlx_model_t *model, mlx_error_t *err);

/*  Plan the removal of a file of the home, if it is there. */
void mlx_cache_plan_remove(mlx_cache_t *self, mlx_cache_plan_t *plan, const char *path,
                           const char *sha256);

/*  The same for a model that was visible before: what it could do was accepted then. */
int mlx_cache_publish_again(mlx_cache_t *self, const mlx_model_t *model, mlx_error_t *err);

/*  The view's name for a model of that name. Caller owns it and must free it. */
char *mlx_cache_view_name(const char *model_name);

/*  Are there weights among the files NAMES of MODEL: without them it is none. not_found, with what
 *  is there, when not. */
int mlx_cache_need_weights(const char *model, const char *const *names, size_t count,
                           mlx_error_t *err);

/*  {"model", "files", "size", ...} of a model that was added. */
mlx_value_t *mlx_cache_model_value(const mlx_model_t *model);

/*  The files of REPO at the hub, those selected that add with OPTIONS would take. *GGUF: one
 *  quantisation was chosen. Caller owns the tree; NULL with ERR. */
mlx_tree_t *mlx_cache_list_hub(mlx_hub_t *hub, const char *repo, const char *quant,
                               const mlx_cache_add_options_t *options,
                               char commit[MLX_SHA1_HEX + 1], bool *gguf, mlx_error_t *err);

/*  A file that a model needs and where it can be obtained. */
typedef struct {
    mlx_model_file_t file;
    char *url;
    const char *auth; /* borrowed; NULL: none */
    long status;      /* of the server's last answer, when it could not be had */
    char *error_code;
    char *mirrored; /* Authorization of the mirror that has it ("": none); NULL: no mirror */
} mlx_wanted_t;

/*  Bring every wanted file into the content store and fill MODEL with them: from the store itself,
 *  from an app that has the same bytes, from the network. Sums of bytes go into REPORT. */
int mlx_cache_fetch(mlx_cache_t *self, mlx_model_t *model, mlx_wanted_t *wanted, size_t count,
                    bool dry_run, const mlx_cache_transfer_t *transfer, mlx_value_t *report,
                    mlx_error_t *err);

/*  Fetch the files that one of MIRRORS ("oci://host/path", ending with NULL) has from there. A
 *  mirror that does not answer is passed over. */
void mlx_cache_use_mirrors(mlx_cache_t *self, const char *repo, const char *const *mirrors,
                           mlx_wanted_t *wanted, size_t count);
/*  "https://host/v2/space/model" of a model's Ollama registry. Caller owns it and must free it. */
char *mlx_cache_registry_url(const mlx_ollama_name_t *name);

/*  What the registry wants as Authorization for this model, "" when nothing, as an allocated
 *  string; its manifest into JSON (may be NULL). NULL with ERR. */
char *mlx_cache_registry_auth(mlx_cache_t *self, const mlx_ollama_name_t *name, mlx_buf_t *json,
                              mlx_error_t *err);

void mlx_wanted_free(mlx_wanted_t **wanted, size_t count);
int mlx_wanted_need_weights(const char *model, const mlx_wanted_t *wanted, size_t count,
                            mlx_error_t *err);

mlx_model_t *mlx_cache_new_model(mlx_cache_t *self, const char *name, const char *source,
                                 const char *revision);

#endif
