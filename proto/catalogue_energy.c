/*  The fields of what energy went into. See catalogue.h for what the columns mean. */
#include "proto/catalogue_columns.h"
#include "proto/catalogue_tables.h"

static const mlx_field_t model_energy[] = {
    ID_AS("name", "model", "of the model; empty: not known"),
    COUNTER("joules", MLX_REAL, MLX_UNIT_JOULES, "mlx_model_energy_joules",
            "energy above idle that its requests took"),
    COUNTER("requests", MLX_INT, MLX_UNIT_NONE, "mlx_model_energy_requests",
            "requests that ended, by the energy ledger"),
    END,
};

static const mlx_field_t client_energy[] = {
    ID_AS("name", "client", "of the client; empty: not known"),
    COUNTER("joules", MLX_REAL, MLX_UNIT_JOULES, "mlx_client_energy_joules",
            "energy above idle that its requests took"),
    COUNTER("requests", MLX_INT, MLX_UNIT_NONE, "mlx_client_energy_requests",
            "requests that ended, by the energy ledger"),
    END,
};

const mlx_field_t mlx_fields_energy_status[] = {
    STR("scope", "what the power is of: the whole machine, or which parts"),
    STR("reason", "why there is no power now, for a person"),
    GAUGE("idle_power", MLX_REAL, MLX_UNIT_WATTS, "mlx_idle_power_watts",
          "power while no request runs"),
    COUNTER("measured", MLX_REAL, MLX_UNIT_JOULES, "mlx_energy_joules",
            "all that was measured and settled since the recorder started"),
    COUNTER("base", MLX_REAL, MLX_UNIT_JOULES, "mlx_energy_base_joules",
            "of that, what the machine draws anyway"),
    COUNTER("other", MLX_REAL, MLX_UNIT_JOULES, "mlx_energy_other_joules",
            "of that, above idle while no request ran"),
    COUNTER("requests", MLX_REAL, MLX_UNIT_JOULES, "mlx_energy_requests_joules",
            "of that, above idle while requests ran"),
    LIST("models", model_energy, "each model"),
    LIST("clients", client_energy, "each client"),
    END,
};

const mlx_field_t mlx_fields_energy[] = {
    STR("model", "of this row, by model; absent: not known"),
    STR("client", "of this row, by client; absent: not known"),
    STR("day", "of this row, by day: local date"),
    STR("hour", "of this row, by hour: local time"),
    INT("requests", "requests that ended"),
    INT("metered", "of these, those whose power was known all the time"),
    INT("tokens", "that they generated"),
    NUM("joules", MLX_REAL, MLX_UNIT_JOULES, "above idle; absent: power was not known"),
    NUM("joules_per_request", MLX_REAL, MLX_UNIT_JOULES, "where all are metered"),
    NUM("joules_per_token", MLX_REAL, MLX_UNIT_JOULES, "where all are metered"),
    NUM("cost", MLX_REAL, MLX_UNIT_NONE, "of these joules; absent: without a price"),
    NUM("co2", MLX_REAL, MLX_UNIT_NONE, "grams, of these joules; absent: without a factor"),
    NUM("measured", MLX_REAL, MLX_UNIT_JOULES, "all energy: joules, base, other, unsplit"),
    NUM("base", MLX_REAL, MLX_UNIT_JOULES, "what the machine draws anyway"),
    NUM("other", MLX_REAL, MLX_UNIT_JOULES, "above idle while no request ran"),
    NUM("unsplit", MLX_REAL, MLX_UNIT_JOULES, "from when the idle power was not known yet"),
    NUM("known", MLX_REAL, MLX_UNIT_SECONDS, "time in which power was known"),
    NUM("unknown", MLX_REAL, MLX_UNIT_SECONDS,
        "time without: the machine was off or asleep, or its sensors silent"),
    END,
};
