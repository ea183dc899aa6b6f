/*  catalogue_tables.h - the raw tables, for catalogue.c only: everyone else uses catalogue.h */
#ifndef MLX_PROTO_CATALOGUE_TABLES_H
#define MLX_PROTO_CATALOGUE_TABLES_H

#include "proto/catalogue.h"

extern const mlx_topic_t mlx_topic_table[];
extern const size_t mlx_topic_table_count;
extern const mlx_catalogue_command_t mlx_command_table[];
extern const size_t mlx_command_table_count;

#endif
