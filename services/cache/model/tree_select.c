/*  Which files of a repository are the model. */
#include "services/cache/model/tree.h"

#include "proto/buf.h"
#include "services/cache/model/names.h"
#include "services/cache/model/reference.h"
#include "services/cache/model/weights.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool matches_any(const char *const *patterns, const char *path)
{
    for (; patterns && *patterns; patterns++)
        if (mlx_name_match(*patterns, path))
            return true;
    return false;
}

/*  The chosen files must all be fit to be files, and different ones. */
static int check_selection(const mlx_tree_t *self, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) const char **paths = mlx_alloc(self->count + 1, sizeof *paths);
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++) {
        const mlx_tree_file_t *file = &self->files[i];
        if (!file->selected)
            continue;
        if (file->fault[0])
            return mlx_error_set(err, MLX_ERR_USAGE, "%s", file->fault);
        paths[count++] = file->file.path;
    }
    if (!count) {
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "no file of the repository matches");
        return mlx_error_hint(err, "choose files with --include");
    }
    return mlx_name_distinct(paths, count, err);
}

int mlx_tree_select(mlx_tree_t *self, const char *const *include, const char *const *exclude,
                    mlx_error_t *err)
{
    for (size_t i = 0; i < self->count; i++) {
        const char *path = self->files[i].file.path;
        self->files[i].selected =
            (!include || matches_any(include, path)) && !matches_any(exclude, path);
    }
    return check_selection(self, err);
}

/* ---- a model with its weights, whatever their format ---- */

enum {
    ONNX_FOLDERS_MAX = 32,
    LISTED_MAX = 8,            /* files named in an error */
    VARIANTS_GROUP_MAX = 2000, /* weights of one folder among which variants are looked for */
    SHARE_OF_SAME = 4          /* from a quarter of the size on it may be the same weights again */
};

/*  What a model needs beside its weights. */
static const char *const companions[] = {
    "*.json", "*.py",    "*.model",   "*.tiktoken", "*.txt",    "*.jsonl",        "*.jinja",
    "*.yaml", "*.yml",   "*.spm",     "*.vocab",    "*.bpe",    "*.tsv",          "*.xml",
    "*.wav",  "*.index", "README.md", "LICENSE*",   "LICENCE*", ".gitattributes", NULL,
};

/*  Folders that hold the weights once more, for another program. */
static const char *const export_folders[] = {
    "onnx", "openvino",   "ov",       "coreml", "tflite",  "litert", "flax",         "jax",
    "tf",   "tensorflow", "original", "gguf",   "pytorch", "runs",   "checkpoint-*", NULL,
};

/*  Stems under which programs keep the whole of a model's weights. */
static const char *const whole_stems[] = {
    "model*",         "pytorch_model*",    "tf_model*",     "flax_model*",
    "rust_model*",    "weights*",          "consolidated*", "diffusion_*_model*",
    "adapter_model*", "open_clip_*model*", "openvino_*",    NULL,
};

/*  Behind a stem: the same weights in another precision. */
static const char *const variants[] = {
    ".fp16",   ".bf16",      ".fp32", ".int8", ".non_ema", ".ema_only", "_fp16",
    "_q1",     "_q2",        "_q4",   "_q8",   "_int8",    "_uint8",    "_qint8",
    "_quint8", "_quantized", "_bnb4", "_O1",   "_O2",      "_O3",       "_O4",
};

typedef struct {
    mlx_tree_file_t *file;
    const char *name; /* last component */
    size_t folder;    /* length of the path before it */
    mlx_weights_t format;
    bool exported;
    bool wanted;
} candidate_t;

/*  Weights of the repository, those of one folder together. */
typedef struct {
    candidate_t *all;
    size_t count;
    bool pipeline; /* model_index.json: the parts are in folders */
} candidates_t;

static bool is_exported(const char *path)
{
    for (const char *at = path, *slash; (slash = strchr(at, '/')); at = slash + 1) {
        MLX_CLEANUP(mlx_free_p) char *folder = mlx_strndup(at, (size_t)(slash - at));
        if (matches_any(export_folders, folder))
            return true;
    }
    return false;
}

static int compare_candidates(const void *a, const void *b)
{
    const candidate_t *x = a, *y = b;
    size_t len = x->folder < y->folder ? x->folder : y->folder;
    int order = strncmp(x->file->file.path, y->file->file.path, len);
    if (order || x->folder != y->folder)
        return order ? order : (x->folder > y->folder) - (x->folder < y->folder);
    return strcmp(x->name, y->name);
}

static bool same_folder(const candidate_t *a, const candidate_t *b)
{
    return a->folder == b->folder &&
           strncmp(a->file->file.path, b->file->file.path, a->folder) == 0;
}

static candidates_t find_candidates(const mlx_tree_t *tree)
{
    candidates_t c = {.all = mlx_alloc(tree->count + 1, sizeof *c.all)};
    for (size_t i = 0; i < tree->count; i++) {
        mlx_tree_file_t *file = &tree->files[i];
        c.pipeline = c.pipeline || strcmp(file->file.path, "model_index.json") == 0;
        mlx_weights_t format = mlx_weights_format(file->file.path);
        if (format == MLX_WEIGHTS_NONE)
            continue;
        const char *slash = strrchr(file->file.path, '/');
        const char *name = slash ? slash + 1 : file->file.path;
        c.all[c.count++] = (candidate_t){.file = file,
                                         .name = name,
                                         .folder = (size_t)(name - file->file.path),
                                         .format = format,
                                         .exported = is_exported(file->file.path)};
    }
    qsort(c.all, c.count, sizeof *c.all, compare_candidates);
    return c;
}

/*  Without what is a second set of the same weights as a whole: exports for other programs, and the
 *  one file of all that lies beside the parts of a pipeline. */
static void choose_folders(candidates_t *c)
{
    bool own = false, parts = false;
    mlx_weights_t best = MLX_WEIGHTS_OTHER;
    for (size_t i = 0; i < c->count; i++) {
        own = own || !c->all[i].exported;
        parts = parts || (c->all[i].folder && !c->all[i].exported);
        best = c->all[i].format < best ? c->all[i].format : best;
    }
    for (size_t i = 0; i < c->count; i++) {
        candidate_t *one = &c->all[i];
        one->wanted =
            own ? !one->exported && !(c->pipeline && parts && !one->folder) : one->format == best;
    }
}

static uint64_t size_of(const candidate_t *group, size_t count, mlx_weights_t format)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        if (group[i].format == format)
            sum += group[i].file->file.size;
    return sum;
}

static bool has_stem_of(const candidate_t *one, const candidate_t *group, size_t count,
                        mlx_weights_t format)
{
    size_t stem = strcspn(one->name, ".");
    for (size_t i = 0; i < count && count <= VARIANTS_GROUP_MAX; i++)
        if (group[i].format == format && strcspn(group[i].name, ".") == stem &&
            strncmp(group[i].name, one->name, stem) == 0)
            return true;
    return false;
}

/*  Of several formats in one folder only the best is taken; what is not a second set of the
 *  weights (a voice, an embedding) stays. */
static void choose_format(candidate_t *group, size_t count)
{
    mlx_weights_t best = MLX_WEIGHTS_OTHER;
    for (size_t i = 0; i < count; i++)
        best = group[i].format < best ? group[i].format : best;
    uint64_t size = size_of(group, count, best);
    for (size_t i = 0; i < count; i++) {
        candidate_t *one = &group[i];
        if (one->format != best &&
            (matches_any(whole_stems, one->name) || has_stem_of(one, group, count, best) ||
             size_of(group, count, one->format) >= size / SHARE_OF_SAME))
            one->wanted = false;
    }
}

/*  Length of NAME before what makes it a variant, or 0. */
static size_t variant_stem(const char *name)
{
    for (size_t i = 0; i < MLX_COUNT(variants); i++) {
        const char *at = strstr(name, variants[i]);
        if (at && at > name && strchr(".-_f", at[strlen(variants[i])]))
            return (size_t)(at - name);
    }
    return 0;
}

/*  Of several precisions the plain one; of Mistral's two sets of shards the one that all read. */
static void choose_variant(candidate_t *group, size_t count)
{
    for (size_t i = 0; i < count && count <= VARIANTS_GROUP_MAX; i++) {
        candidate_t *one = &group[i];
        size_t stem = variant_stem(one->name);
        bool second = strncmp(one->name, "consolidated", 12) == 0;
        for (size_t k = 0; one->wanted && (stem || second) && k < count; k++) {
            const candidate_t *other = &group[k];
            bool base = stem ? strncmp(other->name, one->name, stem) == 0 &&
                                   strchr(".-", other->name[stem]) && !variant_stem(other->name)
                             : strncmp(other->name, "model", 5) == 0;
            if (k != i && other->wanted && other->format == one->format && base)
                one->wanted = false;
        }
    }
}

static void choose_in_folders(candidates_t *c)
{
    for (size_t from = 0, to; from < c->count; from = to) {
        for (to = from + 1; to < c->count && same_folder(&c->all[from], &c->all[to]);)
            to++;
        if (!c->all[from].wanted)
            continue;
        choose_format(&c->all[from], to - from);
        choose_variant(&c->all[from], to - from);
    }
}

/*  ONNX keeps large tensors in files of any name beside the graph. */
static void take_external_data(mlx_tree_t *tree, const candidates_t *c)
{
    static const char *const papers[] = {"*.md",  "*.png", "*.jpg", "*.jpeg", "*.gif",
                                         "*.svg", "*.pdf", "*.mp4", ".*",     NULL};
    size_t graphs = 0;
    for (size_t i = 0; i < c->count && graphs < ONNX_FOLDERS_MAX; i++) {
        const candidate_t *one = &c->all[i];
        if (!one->wanted || one->format != MLX_WEIGHTS_ONNX ||
            (i && c->all[i - 1].wanted && same_folder(&c->all[i - 1], one)))
            continue;
        graphs++;
        for (size_t k = 0; k < tree->count; k++) {
            mlx_tree_file_t *file = &tree->files[k];
            const char *name = file->file.path + one->folder;
            if (strncmp(file->file.path, one->file->file.path, one->folder) == 0 &&
                !strchr(name, '/') && !mlx_weights_format(file->file.path) &&
                !matches_any(papers, name))
                file->selected = true;
        }
    }
}

char *mlx_tree_list(const mlx_tree_t *self)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    for (size_t i = 0; i < self->count && i < LISTED_MAX; i++)
        mlx_buf_printf(&text, "%s%.100s", i ? ", " : "", self->files[i].file.path);
    if (self->count > LISTED_MAX)
        mlx_buf_printf(&text, " and %zu more", self->count - LISTED_MAX);
    return mlx_buf_take(&text);
}

int mlx_tree_need_weights(const mlx_tree_t *self, mlx_error_t *err)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->files[i].selected && mlx_weights_format(self->files[i].file.path))
            return 0;
    MLX_CLEANUP(mlx_free_p) char *list = mlx_tree_list(self);
    mlx_error_set(err, MLX_ERR_NOT_FOUND,
                  "no weights are among the chosen files; the repository has %.300s",
                  *list ? list : "no files");
    return mlx_error_hint(err, "choose the file with the weights: --include PATTERN");
}

int mlx_tree_select_model(mlx_tree_t *self, mlx_error_t *err)
{
    for (size_t i = 0; i < self->count; i++) {
        mlx_tree_file_t *file = &self->files[i];
        file->left_out = false;
        file->selected =
            !mlx_weights_format(file->file.path) && matches_any(companions, file->file.path);
    }
    candidates_t c = find_candidates(self);
    choose_folders(&c);
    choose_in_folders(&c);
    for (size_t i = 0; i < c.count; i++) {
        c.all[i].file->selected = c.all[i].wanted;
        c.all[i].file->left_out = !c.all[i].wanted;
    }
    take_external_data(self, &c);
    free(c.all);
    return mlx_tree_need_weights(self, err) || check_selection(self, err) ? -1 : 0;
}

/* ---- one quantisation of a GGUF repository ---- */

static bool is_gguf(const mlx_tree_file_t *file)
{
    return mlx_name_match("*.gguf", file->file.path);
}

bool mlx_tree_is_companion(const mlx_tree_file_t *file)
{
    return strcasestr(file->file.path, "mmproj") != NULL;
}

/*  The quantisations of the repository, each once. Caller owns it. */
static char *list_quants(const mlx_tree_t *self)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    for (size_t i = 0; i < self->count; i++) {
        const mlx_tree_file_t *file = &self->files[i];
        MLX_CLEANUP(mlx_free_p)
        char *quant = is_gguf(file) && !mlx_tree_is_companion(file)
                          ? mlx_reference_quant_of(file->file.path)
                          : NULL;
        MLX_CLEANUP(mlx_free_p) char *listed = mlx_format(" %s,", quant ? quant : "");
        MLX_CLEANUP(mlx_free_p) char *before = mlx_format(" %s,", mlx_buf_str(&text));
        if (quant && !strcasestr(before, listed))
            mlx_buf_printf(&text, "%s%s", text.len ? ", " : "", quant);
    }
    return mlx_buf_take(&text);
}

static int no_such_quant(const mlx_tree_t *self, const char *quant, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *quants = list_quants(self);
    MLX_CLEANUP(mlx_free_p) char *files = mlx_tree_list(self);
    mlx_error_set(err, MLX_ERR_NOT_FOUND, "the repository has no GGUF file \"%.100s\"",
                  quant ? quant : "*.gguf");
    return *quants ? mlx_error_hint(err, "it has %.300s", quants)
                   : mlx_error_hint(err, "it has %.300s", *files ? files : "no files");
}

/*  A quantisation is a whole word: Q4_K is not Q4_K_M. A path is one file. */
static bool is_quant(const mlx_tree_file_t *file, const char *quant)
{
    MLX_CLEANUP(mlx_free_p) char *own = mlx_reference_quant_of(file->file.path);
    if (own && mlx_reference_is_quant(quant))
        return strcasecmp(own, quant) == 0 ||
               (strncasecmp(own, "UD-", 3) == 0 && strcasecmp(own + 3, quant) == 0);
    return strcasestr(file->file.path, quant) != NULL;
}

static mlx_tree_file_t *find_quant(const mlx_tree_t *self, const char *quant, bool companion)
{
    for (size_t i = 0; i < self->count; i++) {
        mlx_tree_file_t *file = &self->files[i];
        if (is_gguf(file) && mlx_tree_is_companion(file) == companion &&
            (!quant || is_quant(file, quant)))
            return file;
    }
    return NULL;
}

/*  Length of PATH before "-00001-of-00009.gguf", or of all of it. */
static size_t shard_stem(const char *path)
{
    size_t len = strlen(path);
    static const char form[] = "-#####-of-#####.gguf";
    size_t tail = sizeof form - 1;
    if (len <= tail)
        return len;
    for (size_t i = 0; i < tail; i++) {
        char c = path[len - tail + i];
        if (form[i] == '#' ? c < '0' || c > '9' : c != form[i])
            return len;
    }
    return len - tail;
}

int mlx_tree_select_gguf(mlx_tree_t *self, const char *quant, mlx_error_t *err)
{
    for (size_t i = 0; i < self->count; i++)
        self->files[i].selected = false;
    const mlx_tree_file_t *chosen = find_quant(self, quant ? quant : "Q4_K_M", false);
    if (!chosen && !quant)
        chosen = find_quant(self, "Q8_0", false);
    if (!chosen && !quant)
        chosen = find_quant(self, NULL, false);
    if (!chosen)
        return no_such_quant(self, quant, err);
    size_t stem = shard_stem(chosen->file.path);
    for (size_t i = 0; i < self->count; i++) {
        mlx_tree_file_t *file = &self->files[i];
        if (is_gguf(file) && shard_stem(file->file.path) == stem &&
            strncmp(file->file.path, chosen->file.path, stem) == 0)
            file->selected = true;
    }
    mlx_tree_file_t *companion = find_quant(self, "f16", true);
    if (!companion)
        companion = find_quant(self, NULL, true);
    if (companion)
        companion->selected = true;
    return check_selection(self, err);
}
