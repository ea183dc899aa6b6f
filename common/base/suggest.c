#include "common/base/suggest.h"

#include <string.h>

enum {
    LONGEST = 64
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*  Edit distance with swaps of neighbours; three rows of the table are alive at a time. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][LONGEST + 1];
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(change, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

void mlx_suggest_try(mlx_suggest_t *self, const char *candidate)
{
    size_t len = strlen(self->word), other = strlen(candidate);
    if (len > LONGEST || other > LONGEST)
        return;
    size_t away = distance(self->word, len, candidate, other);
    bool begins = len >= 2 && strncmp(self->word, candidate, len) == 0;
    if (begins)
        away = 1;
    if (away <= (len + 2) / 3 && (!self->best || away < self->distance)) {
        self->best = candidate;
        self->distance = away;
    }
}
