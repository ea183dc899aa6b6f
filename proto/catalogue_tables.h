/*  catalogue_tables.h - the raw tables, for proto/ alone: everyone else uses catalogue.h */
#ifndef MLX_PROTO_CATALOGUE_TABLES_H
#define MLX_PROTO_CATALOGUE_TABLES_H

#include "proto/catalogue.h"

extern const mlx_topic_t mlx_topic_table[];
extern const size_t mlx_topic_table_count;
extern const mlx_catalogue_command_t mlx_command_table[];
extern const size_t mlx_command_table_count;

/*  Topics that are the answers of commands as well. */
extern const mlx_field_t mlx_fields_bench_progress[];
extern const mlx_field_t mlx_fields_bench_result[];
extern const mlx_field_t mlx_fields_finding[];
extern const mlx_field_t mlx_fields_energy[];
extern const mlx_field_t mlx_fields_energy_status[];
extern const mlx_field_t mlx_fields_alert[];
extern const mlx_field_t mlx_fields_cache_status[];
extern const mlx_field_t mlx_fields_request[];

#endif
