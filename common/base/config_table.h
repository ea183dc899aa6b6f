/*  config_table.h - every setting of the suite, in one table
 *
 *  Add a setting: one line in config_table.c. The parser, the environment names, mlxctl config, the
 *  example file and the documentation follow.
 */
#ifndef MLX_COMMON_BASE_CONFIG_TABLE_H
#define MLX_COMMON_BASE_CONFIG_TABLE_H

#include "proto/base.h"

typedef enum {
    MLX_SETTING_BOOL,
    MLX_SETTING_INT,
    MLX_SETTING_REAL,
    MLX_SETTING_STR,
    MLX_SETTING_NAME, /* of a host: see mlx_name_valid */
    MLX_SETTING_WORD, /* one of WORDS */
    MLX_SETTING_PATH, /* absolute, or from ~ */
    MLX_SETTING_LIST, /* of strings */
    MLX_SETTING_MAPS, /* list of maps with FIELDS */
} mlx_setting_type_t;

typedef struct mlx_setting mlx_setting_t;

struct mlx_setting {
    const char *key; /* "section.name", or a name without section */
    mlx_setting_type_t type;
    bool required;               /* of a field of maps */
    bool secret;                 /* a text that is refused may be a secret: it is not repeated */
    const char *fallback;        /* the default as text; NULL: not set, or an empty list */
    double min, max;             /* of int and real */
    const char *words;           /* of word: "a|b|c" */
    const mlx_setting_t *fields; /* of maps: ends with key NULL */
    const char *example;         /* for the example file where there is no default */
    const char *used_by;
    const char *help; /* one line, a sentence */
};

/*  The table, and how many settings it has. */
extern const mlx_setting_t mlx_settings[];
extern const size_t mlx_settings_count;

/*  What a section is about, or NULL when there is no section of this name. */
const char *mlx_settings_section_help(const char *section);

/*  Name of section INDEX, or NULL behind the last. */
const char *mlx_settings_section(size_t index);

const char *mlx_setting_type_name(mlx_setting_type_t type);

#endif
