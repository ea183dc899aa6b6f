#include "ints.h"

#include <stdlib.h>
#include <string.h>

/*  How a column is written. The numbers are part of the file format. */
typedef enum {
    FORM_RAW = 0,   /* eight bytes each, low byte first: magnitudes of 2^62 and more */
    FORM_PLAIN = 1, /* the values */
    FORM_DELTA = 2, /* differences */
    FORM_DELTA2 = 3 /* differences of differences */
} form_t;

enum {
    QUOTIENT_MAX = 24, /* so many ones announce 64 plain bits */
    RICE_MAX = 48,     /* largest parameter */
    WINDOW = 32        /* values whose mean sets the parameter */
};

uint64_t mlx_fold(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

int64_t mlx_unfold(uint64_t folded)
{
    return (int64_t)((folded >> 1) ^ (folded & 1 ? UINT64_MAX : 0));
}

void mlx_varint_put(mlx_buf_t *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        mlx_buf_putc(out, (char)(value | 0x80));
    mlx_buf_putc(out, (char)value);
}

bool mlx_varint_get(const uint8_t *data, size_t len, size_t *pos, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && *pos < len; shift += 7) {
        uint8_t byte = data[(*pos)++];
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return shift < 63 || byte <= 1;
    }
    return false;
}

/*  The parameter follows the mean of the newest values, the same way on both sides. */
typedef struct {
    uint64_t sum;
    unsigned count;
} model_t;

static unsigned parameter(const model_t *model)
{
    unsigned k = 0;
    while (k < RICE_MAX && ((uint64_t)model->count << k) < model->sum)
        k++;
    return k;
}

static void learn(model_t *model, uint64_t folded)
{
    const uint64_t most = (uint64_t)1 << RICE_MAX;
    model->sum += folded < most ? folded : most;
    if (++model->count == WINDOW) {
        model->sum /= 2;
        model->count /= 2;
    }
}

typedef struct {
    mlx_buf_t *out;
    uint64_t bits;
    unsigned count; /* of bits that wait, below 8 between calls */
} writer_t;

static void put_bits(writer_t *self, uint64_t value, unsigned width)
{
    for (; width > 32; width -= 32)
        put_bits(self, value >> (width - 32) & 0xffffffff, 32);
    self->bits = self->bits << width | (value & (((uint64_t)1 << width) - 1));
    for (self->count += width; self->count >= 8; self->count -= 8)
        mlx_buf_putc(self->out, (char)(self->bits >> (self->count - 8)));
}

static void put_rice(writer_t *self, model_t *model, uint64_t folded)
{
    unsigned k = parameter(model);
    uint64_t quotient = folded >> k;
    if (quotient < QUOTIENT_MAX) {
        put_bits(self, ((uint64_t)1 << (quotient + 1)) - 2, (unsigned)quotient + 1);
        put_bits(self, folded & (((uint64_t)1 << k) - 1), k);
    } else {
        put_bits(self, ((uint64_t)1 << QUOTIENT_MAX) - 1, QUOTIENT_MAX);
        put_bits(self, folded, 64);
    }
    learn(model, folded);
}

typedef struct {
    const uint8_t *data;
    size_t len;
    size_t pos;
    uint64_t bits;
    unsigned count;
} reader_t;

static bool get_bits(reader_t *self, unsigned width, uint64_t *value)
{
    *value = 0;
    for (; width > 32; width -= 32) {
        uint64_t high;
        if (!get_bits(self, 32, &high))
            return false;
        *value = *value << 32 | high;
    }
    for (; self->count < width; self->count += 8) {
        if (self->pos == self->len)
            return false;
        self->bits = self->bits << 8 | self->data[self->pos++];
    }
    self->count -= width;
    uint64_t low = self->bits >> self->count & (((uint64_t)1 << width) - 1);
    *value = *value << width | low;
    return true;
}

static bool get_rice(reader_t *self, model_t *model, uint64_t *folded)
{
    unsigned k = parameter(model), quotient = 0;
    uint64_t bit = 1, rest;
    while (quotient < QUOTIENT_MAX) {
        if (!get_bits(self, 1, &bit))
            return false;
        if (!bit)
            break;
        quotient++;
    }
    if (!get_bits(self, quotient < QUOTIENT_MAX ? k : 64, &rest))
        return false;
    *folded = quotient < QUOTIENT_MAX ? (uint64_t)quotient << k | rest : rest;
    learn(model, *folded);
    return true;
}

static int64_t minus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t plus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

/*  What FORM writes for value I; the first value of the forms with differences goes apart. */
static int64_t residue(form_t form, const int64_t *values, size_t i)
{
    if (form == FORM_PLAIN)
        return values[i];
    if (i == 0)
        return 0;
    int64_t delta = minus(values[i], values[i - 1]);
    if (form == FORM_DELTA || i == 1)
        return delta;
    return minus(delta, minus(values[i - 1], values[i - 2]));
}

static uint64_t divisor_of(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

typedef struct {
    form_t form;
    uint64_t divisor;
    uint64_t cost; /* about, in bits */
} plan_t;

static unsigned bits_of(uint64_t value)
{
    return value ? 64 - (unsigned)__builtin_clzll(value) : 0;
}

static plan_t plan_for(form_t form, const int64_t *values, size_t n)
{
    plan_t plan = {.form = form};
    for (size_t i = form == FORM_PLAIN ? 0 : 1; i < n; i++) {
        uint64_t size = magnitude(residue(form, values, i));
        if (size >> 62)
            return (plan_t){.form = FORM_RAW, .cost = 64 * (uint64_t)n + 64};
        if (plan.divisor != 1)
            plan.divisor = divisor_of(size, plan.divisor);
        plan.cost += bits_of(size);
    }
    if (plan.divisor == 0)
        plan.divisor = 1;
    uint64_t spared = (uint64_t)n * (bits_of(plan.divisor) - 1);
    plan.cost -= spared < plan.cost ? spared : plan.cost;
    if (form != FORM_PLAIN)
        plan.cost += bits_of(magnitude(values[0]));
    return plan;
}

static plan_t best_plan(const int64_t *values, size_t n)
{
    plan_t best = plan_for(FORM_PLAIN, values, n);
    for (form_t form = FORM_DELTA; form <= FORM_DELTA2; form++) {
        plan_t plan = plan_for(form, values, n);
        if (plan.cost < best.cost)
            best = plan;
    }
    return best;
}

static void encode_raw(mlx_buf_t *out, const int64_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (unsigned shift = 0; shift < 64; shift += 8)
            mlx_buf_putc(out, (char)((uint64_t)values[i] >> shift));
}

void mlx_ints_encode(mlx_buf_t *out, const int64_t *values, size_t n)
{
    plan_t plan = best_plan(values, n);
    mlx_buf_putc(out, (char)plan.form);
    if (plan.form == FORM_RAW) {
        encode_raw(out, values, n);
        return;
    }
    mlx_varint_put(out, plan.divisor);
    if (plan.form != FORM_PLAIN)
        mlx_varint_put(out, mlx_fold(values[0]));
    writer_t writer = {.out = out};
    model_t model = {.count = 1};
    for (size_t i = plan.form == FORM_PLAIN ? 0 : 1; i < n; i++) {
        int64_t whole = residue(plan.form, values, i);
        int64_t part = (int64_t)(magnitude(whole) / plan.divisor);
        put_rice(&writer, &model, mlx_fold(whole < 0 ? -part : part));
    }
    if (writer.count)
        put_bits(&writer, 0, 8 - writer.count);
}

static size_t decode_raw(const uint8_t *data, size_t len, int64_t *values, size_t n)
{
    if (len / 8 < n)
        return 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t value = 0;
        for (unsigned k = 8; k > 0; k--)
            value = value << 8 | data[i * 8 + k - 1];
        values[i] = (int64_t)value;
    }
    return n * 8;
}

static size_t decode_bits(form_t form, const uint8_t *data, size_t len, int64_t *values, size_t n)
{
    uint64_t divisor, folded = 0;
    size_t pos = 0, first = form == FORM_PLAIN ? 0 : 1;
    if (!mlx_varint_get(data, len, &pos, &divisor) ||
        (first && !mlx_varint_get(data, len, &pos, &folded)))
        return 0;
    values[0] = mlx_unfold(folded);
    reader_t reader = {.data = data, .len = len, .pos = pos};
    model_t model = {.count = 1};
    int64_t delta = 0;
    for (size_t i = first; i < n; i++) {
        if (!get_rice(&reader, &model, &folded))
            return 0;
        int64_t value = (int64_t)((uint64_t)mlx_unfold(folded) * divisor);
        if (form != FORM_PLAIN) {
            delta = form == FORM_DELTA2 ? plus(delta, value) : value;
            value = plus(values[i - 1], delta);
        }
        values[i] = value;
    }
    return reader.pos;
}

size_t mlx_ints_decode(const uint8_t *data, size_t len, int64_t *values, size_t n)
{
    if (len == 0 || n == 0)
        return 0;
    size_t used = data[0] == FORM_RAW ? decode_raw(data + 1, len - 1, values, n)
                  : data[0] <= FORM_DELTA2
                      ? decode_bits((form_t)data[0], data + 1, len - 1, values, n)
                      : 0;
    return used ? used + 1 : 0;
}
