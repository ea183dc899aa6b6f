#include "ledger.h"

#include <math.h>

enum {
    LOG_LATE_US = 2 * 1000 * 1000
};

static void anchor(const mlx_ledger_t *self, mlx_ledger_entry_t *entry)
{
    entry->anchor = entry->reading;
    entry->anchor_total = self->total;
}

/*  A counter is gone, and what it saw is in the total. The tap sees only a part of what happens:
 *  from here on it counts on top. The others see all of it, and may have to tell of some yet. */
static void leave(mlx_ledger_t *self, mlx_ledger_entry_t *gone)
{
    mlx_ledger_entry_t *tap = &self->entries[MLX_LEDGER_TAP];
    gone->away = true;
    if (gone != tap && tap->known && !tap->away)
        anchor(self, tap);
}

/*  A counter that fell began again at 0, after it was read last. */
static void follow(mlx_ledger_t *self, mlx_ledger_entry_t *entry, double reading)
{
    /*  Unlike the server's own sums those of the slots do not rise while they are away. */
    bool back = entry->away && entry == &self->entries[MLX_LEDGER_SLOTS];
    if (!entry->known) {
        entry->anchor = reading;
        entry->anchor_total = self->total;
    } else if (reading < entry->reading) {
        double total = back ? self->total : entry->last_total;
        leave(self, entry);
        entry->anchor = 0;
        entry->anchor_total = total;
    } else if (back) {
        anchor(self, entry);
    }
    entry->known = true;
    entry->away = false;
    entry->reading = reading;
}

void mlx_ledger_read(mlx_ledger_t *self, mlx_ledger_counter_t which, double reading,
                     int64_t looked_us)
{
    mlx_ledger_entry_t *entry = &self->entries[which];
    if (!(reading >= 0) || !isfinite(reading)) {
        if (entry->known && !entry->away)
            leave(self, entry);
        return;
    }
    follow(self, entry, reading);
    double total = entry->anchor_total + (reading - entry->anchor);
    if (total > self->total) {
        self->total = total;
        self->changed_us = looked_us;
    }
    entry->last_total = self->total;
    entry->looked_us = looked_us;
    self->started = true;
}

/*  How long after an end the counter has it at the latest: what a log says is on its way. */
static int64_t late_us(int counter)
{
    return counter == MLX_LEDGER_LOG ? LOG_LATE_US : 0;
}

void mlx_ledger_settle(mlx_ledger_t *self, bool running)
{
    for (int i = 0; i < MLX_LEDGER_COUNTERS && !running; i++) {
        mlx_ledger_entry_t *entry = &self->entries[i];
        if (entry->known && !entry->away && entry->looked_us > self->changed_us + late_us(i))
            anchor(self, entry);
    }
}

double mlx_ledger_total(const mlx_ledger_t *self)
{
    return self->started ? self->total : NAN;
}
