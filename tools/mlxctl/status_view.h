/*  status_view.h - what `mlxctl status` prints: pure functions of the overview */
#ifndef MLX_TOOLS_MLXCTL_STATUS_VIEW_H
#define MLX_TOOLS_MLXCTL_STATUS_VIEW_H

#include "common/view/overview.h"
#include "proto/buf.h"

/*  Append one screen of text. */
void mlx_status_text(const mlx_overview_t *overview, int64_t now_us, mlx_buf_t *out);

/*  A person would call this machine's readings live: memory is fresh and no service is down. */
bool mlx_status_live(const mlx_overview_t *overview, int64_t now_us);

#endif
