#include "services/cache/content/pickle.h"

#include "proto/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WINDOW = 64 * 1024,
    NAME_MAX_LEN = 256,             /* a longer string names no module */
    LINE_MAX_LEN = 1024 * 1024,     /* an argument of protocol 0 */
    MEMO_MAX = 4 * 1024 * 1024,     /* entries */
    STACK_MAX = 4 * 1024 * 1024,    /* entries */
    STRINGS_MAX = 32 * 1024 * 1024, /* bytes */
    PICKLES_MAX = 64,               /* one behind the other */
    TORCH_PICKLES = 5               /* of torch's old format; what follows are raw tensors */
};

/*  What is on the stack: a string (1 and its place in the strings), a mark, or anything else. In
 *  the memo a place may be empty too. */
typedef uint32_t item_t;
static const item_t other = 0, mark = UINT32_MAX, empty = UINT32_MAX - 1;

typedef struct {
    const mlx_source_t *source;
    const char *where;
    mlx_risks_t *found;
    uint64_t at;
    uint64_t window_at;
    size_t window_len;
    unsigned char window[WINDOW];
    item_t *stack, *memo;
    size_t depth, stack_room, memo_room;
    size_t memo_set; /* places of the memo that are not empty: where MEMOIZE goes */
    char *strings;   /* each with a NUL */
    size_t strings_len, strings_room;
    bool torch;    /* the first pickle was the magic number of torch's old format */
    bool too_much; /* beyond a limit: not looked at whole */
} scan_t;

typedef enum {
    STEP_ON,
    STEP_END, /* STOP */
    STEP_BROKEN,
} step_t;

/* ---- bytes ---- */

static bool fill(scan_t *s)
{
    s->window_at = s->at;
    s->window_len = mlx_source_read(s->source, s->at, s->window, WINDOW);
    return s->window_len > 0;
}

static bool take(scan_t *s, void *out, size_t len)
{
    for (size_t done = 0; done < len;) {
        uint64_t offset = s->at - s->window_at;
        if (s->at < s->window_at || offset >= s->window_len) {
            if (!fill(s))
                return false;
            offset = 0;
        }
        size_t have = s->window_len - (size_t)offset;
        size_t part = have < len - done ? have : len - done;
        memcpy((char *)out + done, s->window + offset, part);
        done += part;
        s->at += part;
    }
    return true;
}

static bool skip(scan_t *s, uint64_t len)
{
    if (len > s->source->size - s->at)
        return false;
    s->at += len;
    return true;
}

static bool take_number(scan_t *s, size_t len, uint64_t *out)
{
    unsigned char raw[8];
    bool sound = take(s, raw, len);
    *out = sound ? mlx_little(raw, len) : 0;
    return sound;
}

/*  A line without its end, of which OUT gets at most NAME_MAX_LEN bytes; LEN: how long it is. */
static bool take_line(scan_t *s, char out[NAME_MAX_LEN + 1], size_t *len)
{
    *len = 0;
    for (char c;; (*len)++) {
        if (*len > LINE_MAX_LEN || !take(s, &c, 1))
            return false;
        if (c == '\n')
            break;
        if (*len < NAME_MAX_LEN)
            out[*len] = c;
    }
    out[*len < NAME_MAX_LEN ? *len : NAME_MAX_LEN] = '\0';
    return true;
}

/* ---- the stack, the memo, the strings ---- */

static void *make_room(void *array, size_t *room, size_t need, size_t size)
{
    if (need <= *room)
        return array;
    *room = need * 2 < 64 ? 64 : need * 2;
    return mlx_realloc(array, *room, size);
}

static bool push(scan_t *s, item_t item)
{
    if (s->depth >= STACK_MAX) {
        s->too_much = true;
        return false;
    }
    s->stack = make_room(s->stack, &s->stack_room, s->depth + 1, sizeof *s->stack);
    s->stack[s->depth++] = item;
    return true;
}

/*  Where a stream is broken Python stops. Here it goes on, so that no difference in what counts as
 *  broken can hide anything. */
static void pop(scan_t *s, size_t count)
{
    s->depth -= count < s->depth ? count : s->depth;
}

/*  Everything above the newest mark, and the mark. */
static void pop_mark(scan_t *s)
{
    while (s->depth)
        if (s->stack[--s->depth] == mark)
            return;
}

static item_t top(const scan_t *s, size_t below)
{
    return s->depth > below ? s->stack[s->depth - 1 - below] : other;
}

static const char *string_of(const scan_t *s, item_t item)
{
    return item == other || item >= empty ? NULL : s->strings + item - 1;
}

/*  Push a string that might be the name of something, or one of which only its being there counts.
 */
static bool push_string(scan_t *s, const char *text, size_t len)
{
    if (!text || len > NAME_MAX_LEN || memchr(text, '\0', len))
        return push(s, other);
    if (s->strings_len + len + 1 > STRINGS_MAX)
        return push(s, other); /* used as a name it is one that is computed */
    s->strings = make_room(s->strings, &s->strings_room, s->strings_len + len + 1, 1);
    item_t item = (item_t)s->strings_len + 1;
    memcpy(s->strings + s->strings_len, text, len);
    s->strings[s->strings_len + len] = '\0';
    s->strings_len += len + 1;
    return push(s, item);
}

static bool put(scan_t *s, uint64_t index)
{
    if (index >= MEMO_MAX) {
        s->too_much = true;
        return false;
    }
    size_t before = s->memo_room;
    s->memo = make_room(s->memo, &s->memo_room, (size_t)index + 1, sizeof *s->memo);
    for (size_t i = before; i < s->memo_room; i++)
        s->memo[i] = empty;
    s->memo_set += s->memo[index] == empty;
    s->memo[index] = top(s, 0);
    return true;
}

static bool get(scan_t *s, uint64_t index)
{
    bool there = index < s->memo_room && s->memo[index] != empty;
    return push(s, there ? s->memo[index] : other);
}

/* ---- what is found ---- */

static void note_import(scan_t *s, uint64_t at, const char *module, const char *name)
{
    MLX_CLEANUP(mlx_free_p) char *where = mlx_format("%s byte %" PRIu64, s->where, at);
    if (!module || !name)
        mlx_found(s->found, true, where, "imports something whose name it computes");
    else if (!mlx_pickle_allows(module, name))
        mlx_found(s->found, true, where, "imports %s.%s", module, name);
}

/*  Is the line text, as far as it was kept: the cut may go through a character. */
static bool is_text(const char *line, size_t len)
{
    for (size_t cut = 0; cut < 4; cut++)
        if (len <= NAME_MAX_LEN ? !cut && mlx_utf8_plain(line, len)
                                : mlx_utf8_plain(line, NAME_MAX_LEN - cut))
            return true;
    return false;
}

static bool take_global(scan_t *s, uint64_t at)
{
    char module[NAME_MAX_LEN + 1], name[NAME_MAX_LEN + 1];
    size_t module_len, name_len;
    if (!take_line(s, module, &module_len) || !take_line(s, name, &name_len))
        return false;
    /* Python refuses names that are not text: these are not a pickle's bytes. */
    bool whole = module_len <= NAME_MAX_LEN && name_len <= NAME_MAX_LEN;
    if (!is_text(module, module_len) || !is_text(name, name_len))
        return false;
    note_import(s, at, whole ? module : NULL, whole ? name : NULL);
    return true;
}

/* ---- opcodes ---- */

/*  A string in quotes of protocol 0; with an escape inside it is not one that we know. */
static bool take_quoted(scan_t *s)
{
    char line[NAME_MAX_LEN + 1];
    size_t len;
    if (!take_line(s, line, &len))
        return false;
    bool plain = len >= 2 && len <= NAME_MAX_LEN && (line[0] == '\'' || line[0] == '"') &&
                 line[len - 1] == line[0] && !memchr(line, '\\', len);
    return push_string(s, plain ? line + 1 : NULL, plain ? len - 2 : 0);
}

static bool take_unicode_line(scan_t *s)
{
    char line[NAME_MAX_LEN + 1];
    size_t len;
    if (!take_line(s, line, &len))
        return false;
    return push_string(s, len <= NAME_MAX_LEN && !memchr(line, '\\', len) ? line : NULL, len);
}

static bool take_counted(scan_t *s, size_t width, bool text)
{
    char name[NAME_MAX_LEN];
    uint64_t len;
    if (!take_number(s, width, &len))
        return false;
    if (!text || len > sizeof name)
        return skip(s, len) && push(s, other);
    return take(s, name, (size_t)len) && push_string(s, name, (size_t)len);
}

static bool skip_line(scan_t *s)
{
    char line[NAME_MAX_LEN + 1];
    size_t len;
    return take_line(s, line, &len);
}

static bool take_index(scan_t *s, size_t width, bool store)
{
    uint64_t index;
    return take_number(s, width, &index) && (store ? put(s, index) : get(s, index));
}

/*  The same as a line of digits. */
static bool take_index_line(scan_t *s, bool store)
{
    char line[NAME_MAX_LEN + 1], *end;
    size_t len;
    if (!take_line(s, line, &len))
        return false;
    unsigned long long index = strtoull(line, &end, 10);
    return end != line && (store ? put(s, index) : get(s, index));
}

static bool take_long(scan_t *s, size_t width)
{
    uint64_t len;
    return take_number(s, width, &len) && skip(s, len) && push(s, other);
}

/*  What most opcodes are: BYTES of argument, POPS items taken, one pushed or none. */
typedef struct {
    unsigned char bytes;
    unsigned char pops;
    bool pushes;
    bool known;
} effect_t;

static const effect_t effects[256] = {
    ['0'] = {.pops = 1, .known = true},
    ['J'] = {.bytes = 4, .pushes = true, .known = true},
    ['K'] = {.bytes = 1, .pushes = true, .known = true},
    ['M'] = {.bytes = 2, .pushes = true, .known = true},
    ['G'] = {.bytes = 8, .pushes = true, .known = true},
    ['N'] = {.pushes = true, .known = true},
    ['}'] = {.pushes = true, .known = true},
    [']'] = {.pushes = true, .known = true},
    [')'] = {.pushes = true, .known = true},
    [0x88] = {.pushes = true, .known = true},
    [0x89] = {.pushes = true, .known = true},
    [0x8f] = {.pushes = true, .known = true},
    [0x97] = {.pushes = true, .known = true},
    [0x98] = {.known = true},
    ['Q'] = {.pops = 1, .pushes = true, .known = true},
    ['R'] = {.pops = 2, .pushes = true, .known = true},
    [0x81] = {.pops = 2, .pushes = true, .known = true},
    [0x92] = {.pops = 3, .pushes = true, .known = true},
    ['b'] = {.pops = 1, .known = true},
    ['a'] = {.pops = 1, .known = true},
    ['s'] = {.pops = 2, .known = true},
    [0x85] = {.pops = 1, .pushes = true, .known = true},
    [0x86] = {.pops = 2, .pushes = true, .known = true},
    [0x87] = {.pops = 3, .pushes = true, .known = true},
    [0x80] = {.bytes = 1, .known = true}, /* PROTO */
    [0x95] = {.bytes = 8, .known = true}, /* FRAME */
};

static bool take_simple(scan_t *s, const effect_t *effect)
{
    if (!skip(s, effect->bytes))
        return false;
    pop(s, effect->pops);
    return !effect->pushes || push(s, other);
}

static bool take_strings(scan_t *s, unsigned char op)
{
    switch (op) {
    case 'S':
        return take_quoted(s);
    case 'V':
        return take_unicode_line(s);
    case 'T':
    case 'X':
        return take_counted(s, 4, true);
    case 'U':
    case 0x8c:
        return take_counted(s, 1, true);
    case 0x8d:
        return take_counted(s, 8, true);
    case 'C':
        return take_counted(s, 1, false);
    case 'B':
        return take_counted(s, 4, false);
    default: /* 0x8e, 0x96 */
        return take_counted(s, 8, false);
    }
}

static bool take_memo(scan_t *s, unsigned char op)
{
    switch (op) {
    case 'g':
    case 'p':
        return take_index_line(s, op == 'p');
    case 'h':
    case 'q':
        return take_index(s, 1, op == 'q');
    case 'j':
    case 'r':
        return take_index(s, 4, op == 'r');
    default: /* MEMOIZE */
        return put(s, s->memo_set);
    }
}

static bool take_import(scan_t *s, unsigned char op, uint64_t at)
{
    uint64_t code;
    if (op == 'c')
        return take_global(s, at) && push(s, other);
    if (op == 'i') {
        pop_mark(s);
        return take_global(s, at) && push(s, other);
    }
    if (op == 0x93) {
        const char *name = string_of(s, top(s, 0)), *module = string_of(s, top(s, 1));
        note_import(s, at, module, name);
        pop(s, 2);
        return push(s, other);
    }
    /* EXT1, EXT2, EXT4: whatever a program registered under that number. */
    note_import(s, at, NULL, NULL);
    return take_number(s, op == 0x82 ? 1 : op == 0x83 ? 2 : 4, &code) && push(s, other);
}

static bool take_marked(scan_t *s, unsigned char op)
{
    if (op == '(')
        return push(s, mark);
    /* APPENDS, SETITEMS, ADDITEMS change what lies below; POP_MARK leaves nothing. */
    bool pushes = op == 't' || op == 'l' || op == 'd' || op == 0x91 || op == 'o';
    pop_mark(s);
    return !pushes || push(s, other);
}

static step_t step(scan_t *s)
{
    unsigned char op;
    uint64_t at = s->at;
    bool sound;
    if (!take(s, &op, 1))
        return STEP_BROKEN;
    if (op == '.')
        return STEP_END;
    if (effects[op].known)
        sound = take_simple(s, &effects[op]);
    else if (op && strchr("STUVXCB\x8c\x8d\x8e\x96", op))
        sound = take_strings(s, op);
    else if (op && strchr("ghjpqr\x94", op))
        sound = take_memo(s, op);
    else if (op && strchr("ci\x93\x82\x83\x84", op))
        sound = take_import(s, op, at);
    else if (op && strchr("(tlde1uo\x90\x91", op))
        sound = take_marked(s, op);
    else if (op && strchr("FILP", op))
        sound = skip_line(s) && push(s, other);
    else if (op == '2')
        sound = push(s, top(s, 0));
    else
        sound = (op == 0x8a || op == 0x8b) && take_long(s, op == 0x8a ? 1 : 4);
    return sound ? STEP_ON : STEP_BROKEN;
}

/* ---- pickles ---- */

static bool scan_one(scan_t *s)
{
    step_t what = STEP_ON;
    s->depth = s->memo_set = s->strings_len = 0;
    for (size_t i = 0; i < s->memo_room; i++)
        s->memo[i] = empty;
    while (what == STEP_ON)
        what = step(s);
    return what == STEP_END;
}

bool mlx_pickle_scan(const mlx_source_t *source, const char *where, mlx_risks_t *found)
{
    /* The number 0x1950a86a20f9469cfc6c as a pickle of protocol 2. */
    static const char magic[] = "\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.";
    MLX_CLEANUP(mlx_free_p) scan_t *s = mlx_alloc(1, sizeof *s);
    s->source = source;
    s->where = where;
    s->found = found;
    s->torch = mlx_source_has(source, 0, magic, sizeof magic - 1);
    size_t count = 0, most = s->torch ? TORCH_PICKLES : PICKLES_MAX;
    while (count < most && s->at < source->size && scan_one(s))
        count++;
    if (s->too_much || (!s->torch && count == PICKLES_MAX && s->at < source->size))
        mlx_found(found, true, where, "is a pickle too large to be checked");
    free(s->stack);
    free(s->memo);
    free(s->strings);
    return count > 0;
}
