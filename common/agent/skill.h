/*  skill.h - a SKILL.md that teaches an agent to use the suite (agentskills.io's form), made from
 *  the table of tools */
#ifndef MLX_COMMON_AGENT_SKILL_H
#define MLX_COMMON_AGENT_SKILL_H

#include "proto/buf.h"

/*  Append the whole file to OUT. */
void mlx_skill_write(mlx_buf_t *out);

#endif
