#include "prompts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"

enum {
    OWN_TOKENS = 192,
};

typedef struct {
    char *name;
    char *text;
    int64_t tokens;
} prompt_t;

struct mlx_prompts {
    size_t count;
    prompt_t *list;
    char set[32];
};

/*  The built-in set is part of what a result means: a change here is a new name. */
static const char builtin_set[] = "builtin-1";

static const char report[] =
    "Summarise the following station report in detail, paragraph by paragraph, then list every "
    "open question it leaves.\n\n"
    "The station was opened in the second week of March, when the road over the pass was still "
    "closed and everything had to be carried up from the last village on two sledges. The first "
    "hut held the stove, four bunks and the radio; the second, forty metres away so that a fire in "
    "one would spare the other, held fuel, food for seven months and the spare instruments. The "
    "wind gauge on the north mast failed on the ninth day because rime had bent its arm, and was "
    "replaced by the older model with the heavy cups, which reads about six per cent low in gusts "
    "but never stops.\n\n"
    "From April the glacier survey went on every morning that allowed it. Thirty-one stakes were "
    "drilled in along two lines, each with its height written on a brass plate, and their "
    "positions "
    "were measured from both ends of the base line. Six stakes leaned after the storm of the "
    "twentieth and had to be set again, so the first interval of the lower line is lost. The upper "
    "line moved nineteen centimetres a week at its middle and seven at its edges, faster than in "
    "any of the four earlier seasons; whether the warm autumn or the new crevasse field is the "
    "cause could not be settled.\n\n"
    "The stream below the tongue was gauged three times a day from May onwards. It rose first on "
    "the eleventh, eleven days before the mean of the record, and carried so much silt that the "
    "float jammed twice. Samples taken at noon hold about four times the sediment of those taken "
    "at dawn. The automatic sampler kept the same rhythm until its clock ran slow, which nobody "
    "noticed until the bottles of a whole week turned out to have been filled at night.\n\n"
    "In June two visitors from the valley institute brought the new snow pillow and a box of "
    "temperature chains. The pillow was buried level with the ground beside the old pit, so that "
    "both could be compared for one winter before the pit is given up. The chains went down a "
    "borehole of sixty metres that had taken nine days to melt; the lowest sensor shows minus "
    "three degrees and has not changed by a hundredth since, while the three nearest the surface "
    "follow every warm spell with a delay of between five and thirty days.\n\n"
    "Supplies lasted, but the plan did not: the generator used a third more fuel than reckoned, "
    "because the batteries no longer hold a night's charge, and the radio schedule was halved in "
    "July to save it. The cook's proposal to bake every second day only was accepted after some "
    "debate and saved more fuel than the radio did. One member went down with a broken wrist in "
    "August and was not replaced, which is why the eastern stakes were read only once after that "
    "date.\n\n"
    "The last entry notes that the huts were closed on the fourth of October in clear weather, the "
    "stove cold, the shutters barred, the loggers set to one reading an hour, and the key left "
    "with "
    "the keeper of the lower refuge.";

static const struct {
    const char *name;
    int64_t tokens;
    const char *text;
} builtin[] = {
    {"chat", 128,
     "I have a free weekend, some flour, and a kitchen that is too small. Talk me through baking "
     "my first loaf of bread as if you stood beside me."},
    {"short_answer", 48,
     "What is the capital of Australia, and why was it chosen? Answer in a short paragraph."},
    {"code", 256,
     "Write a complete, commented program in C that reads lines from standard input, counts how "
     "often each word occurs in a hash table of its own, and prints the hundred most frequent "
     "words with their counts."},
    {"list", 128,
     "List fifty different things one can do with a cardboard box, one a line, each with a short "
     "explanation."},
    {"long_prompt", 128, report},
    {"json", 160,
     "Return a JSON array of twenty objects that describe imaginary weather stations, each with "
     "the keys id, name, country, latitude, longitude, elevation_m, sensors and installed. Return "
     "JSON only."},
    {"translation", 160,
     "Translate the following text into French, then into German, then into Spanish: The old "
     "lighthouse keeper counted the ships every evening and wrote their names into a book that "
     "nobody would ever read. When the lamp was replaced by a machine he went on counting, because "
     "someone, he said, ought to know who had passed and who had not come home. His daughter keeps "
     "the books now, forty-one of them, on a shelf above the kitchen door."},
    {"reasoning", 192,
     "Three friends share a taxi. Anna leaves after a third of the way, Ben after two thirds, and "
     "Clara rides to the end. The fare is 27 euros and they want to split it fairly. Work out at "
     "least three different fair ways to split it, step by step, and argue which one is best."},
    {"summary", 128,
     "Summarise how a bill becomes law in a parliamentary democracy with two chambers. Cover "
     "drafting, readings, committees, amendments, disagreement between the chambers, assent and "
     "judicial review, and finish with the most common reasons for failure."},
    {"long_generation", 384,
     "Write a long story about a clockmaker who finds that one of her clocks runs backwards. "
     "Describe the town, the people and the weather, use dialogue, and do not hurry to the end."},
};

mlx_prompts_t *mlx_prompts_builtin(void)
{
    mlx_prompts_t *self = mlx_alloc(1, sizeof *self);
    self->list = mlx_alloc(MLX_COUNT(builtin), sizeof *self->list);
    self->count = MLX_COUNT(builtin);
    for (size_t i = 0; i < self->count; i++)
        self->list[i] =
            (prompt_t){mlx_strdup(builtin[i].name), mlx_strdup(builtin[i].text), builtin[i].tokens};
    snprintf(self->set, sizeof self->set, "%s", builtin_set);
    return self;
}

/*  FNV-1a: tells one file of prompts from another, no more. */
static uint64_t mix(uint64_t hash, const char *text)
{
    do
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL;
    while (*text++);
    return hash;
}

static int add_own(mlx_prompts_t *self, const mlx_value_t *item, mlx_error_t *err)
{
    size_t len = 0;
    const char *text = mlx_value_as_str(item, &len);
    size_t number = self->count + 1;
    if (!text || len == 0 || strlen(text) != len)
        return mlx_error_set(err, MLX_ERR_USAGE, "prompt %zu is not a string", number);
    if (len > MLX_PROMPTS_TEXT_MAX)
        return mlx_error_set(err, MLX_ERR_USAGE, "prompt %zu is longer than %d bytes", number,
                             MLX_PROMPTS_TEXT_MAX);
    self->list[self->count++] =
        (prompt_t){mlx_format("prompt_%zu", number), mlx_strdup(text), OWN_TOKENS};
    return 0;
}

mlx_prompts_t *mlx_prompts_own(const mlx_value_t *list, mlx_error_t *err)
{
    size_t count = mlx_value_size(list);
    if (mlx_value_type(list) != MLX_LIST || count == 0 || count > MLX_PROMPTS_MAX) {
        mlx_error_set(err, MLX_ERR_USAGE, "give between 1 and %d prompts, not %zu", MLX_PROMPTS_MAX,
                      count);
        return NULL;
    }
    mlx_prompts_t *self = mlx_alloc(1, sizeof *self);
    uint64_t hash = 0xcbf29ce484222325ULL;
    self->list = mlx_alloc(count, sizeof *self->list);
    for (size_t i = 0; i < count; i++) {
        if (add_own(self, mlx_value_at(list, i), err)) {
            mlx_prompts_destroy(&self);
            return NULL;
        }
        hash = mix(hash, self->list[i].text);
    }
    snprintf(self->set, sizeof self->set, "own-%016llx", (unsigned long long)hash);
    return self;
}

void mlx_prompts_destroy(mlx_prompts_t **self_p)
{
    mlx_prompts_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++) {
        free(self->list[i].name);
        free(self->list[i].text);
    }
    free(self->list);
    free(self);
}

size_t mlx_prompts_count(const mlx_prompts_t *self)
{
    return self->count;
}

const char *mlx_prompts_name(const mlx_prompts_t *self, size_t index)
{
    return self->list[index].name;
}

size_t mlx_prompts_size(const mlx_prompts_t *self, size_t index)
{
    return strlen(self->list[index].text);
}

int64_t mlx_prompts_tokens(const mlx_prompts_t *self, size_t index)
{
    return self->list[index].tokens;
}

const char *mlx_prompts_set(const mlx_prompts_t *self)
{
    return self->set;
}

/*  Where to cut TEXT to at most MAX bytes: at a blank, so that no character is cut in two; a text
 *  without one is cut at a character's edge. */
static size_t cut(const char *text, size_t max)
{
    size_t len = strlen(text), at = max;
    if (len <= max)
        return len;
    while (at > 0 && text[at] != ' ' && text[at] != '\n')
        at--;
    for (at = at ? at : max; at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80; at--)
        ;
    return at;
}

char *mlx_prompts_text(const mlx_prompts_t *self, size_t index, size_t max, int64_t nonce)
{
    const char *text = self->list[index].text;
    return mlx_format("%08lld %.*s", (long long)nonce, (int)cut(text, max), text);
}

char *mlx_prompts_warmup(int64_t nonce)
{
    return mlx_format("%08lld Count upwards from one hundred in words, and do not stop before one "
                      "hundred and fifty.",
                      (long long)nonce);
}

char *mlx_prompts_filler(size_t bytes, int64_t nonce)
{
    mlx_buf_t text = {0};
    mlx_buf_printf(&text, "%08lld ", (long long)nonce);
    while (text.len < bytes) {
        size_t room = bytes - text.len, len = strlen(report);
        mlx_buf_append(&text, report, len < room ? len : room);
    }
    return mlx_buf_take(&text);
}
