/*  energy_report.h - what the ledger says: by model, client, day or hour, in money and carbon
 *
 *      mlx_energy_prices_t prices = {.price = 0.3, .co2 = NAN, .currency = "EUR"};
 *      mlx_value_t *result = mlx_energy_list(db, &prices, args, now_us, &err);
 */
#ifndef MLX_RECORDER_ENERGY_REPORT_H
#define MLX_RECORDER_ENERGY_REPORT_H

#include "common/base/db.h"
#include "proto/value.h"

typedef struct {
    double price;               /* of a kWh; NaN: not known */
    const mlx_value_t *tariffs; /* list of maps {from, to, price}: hours of the day; or NULL */
    double co2;                 /* grams a kWh; NaN: not known */
    const char *currency;       /* or NULL */
} mlx_energy_prices_t;

/*  Is TARIFFS such a list, with whole hours from 0 to 24? 0, or -1 with ERR (usage). */
int mlx_energy_check_tariffs(const mlx_value_t *tariffs, mlx_error_t *err);

/*  What a kWh costs at T_US, by local time: that of the first tariff that the hour is in, else the
 *  plain price; NaN: not known. */
double mlx_energy_price_at(const mlx_energy_prices_t *prices, int64_t t_us);

/*  The result of energy.list for ARGS. Caller owns it; NULL with ERR. */
mlx_value_t *mlx_energy_list(mlx_db_t *db, const mlx_energy_prices_t *prices,
                             const mlx_value_t *args, int64_t now_us, mlx_error_t *err);

#endif
