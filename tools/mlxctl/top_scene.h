/*  top_scene.h - the inside of the view of `mlxctl top`, shared by its files only
 *
 *  A box draws itself into an area. Where there is room the area has a frame (mlx_scene_box), where
 *  there is not the same rows stand without one.
 */
#ifndef MLX_TOOLS_MLXCTL_TOP_SCENE_H
#define MLX_TOOLS_MLXCTL_TOP_SCENE_H

#include "common/view/figures.h"
#include "top_view.h"

enum {
    MLX_TOP_HITS = 16
};

typedef struct {
    int row, column, end;
    int key;
} mlx_hit_t;

struct mlx_top {
    mlx_top_choice_t choice;
    mlx_series_t series[MLX_FIGURES_MAX];
    const char *ids[MLX_FIGURES_MAX]; /* of the figures that they are of */
    size_t series_count;
    mlx_value_t *ended[MLX_TOP_ENDED]; /* a ring */
    size_t ended_count;
    mlx_hit_t hits[MLX_TOP_HITS];
    size_t hits_count;
    int models_row; /* where the list of models was drawn; -1: nowhere */
    size_t models_first, models_shown;
    char listed[MLX_TOP_ROWS_MAX][MLX_TOP_NAME_MAX];
};

typedef struct {
    mlx_top_t *top;
    const mlx_overview_t *overview;
    mlx_headline_t now;
    mlx_figure_t figures[MLX_FIGURES_MAX];
    size_t figures_count;
    int64_t now_us;
    mlx_canvas_t *canvas;
    bool framed;
    bool lost; /* nothing is heard: what is absent is not known */
} mlx_scene_t;

/*  VALUE as text, temperatures as the person has chosen. Caller owns it. */
char *mlx_scene_figure(const mlx_scene_t *scene, double value, mlx_unit_t unit);

/*  AREA without its frame, which is drawn with TITLE; AREA itself on a small screen. */
mlx_area_t mlx_scene_box(const mlx_scene_t *scene, mlx_area_t area, const char *title);

/*  The whole width of the canvas within its margins. */
mlx_area_t mlx_scene_rows(const mlx_scene_t *scene, int row, int rows);

/*  The first ROWS of AREA, which loses them. */
mlx_area_t mlx_area_cut(mlx_area_t *area, int rows);

/* ---- top_machine.c ---- */

/*  Processor, graphics and memory as bars, the cores, the figures without a plot. Returns the rows
 *  used. */
int mlx_scene_machine(const mlx_scene_t *scene, mlx_area_t area);

/*  How many rows that and the details would like in COLUMNS. */
int mlx_scene_machine_rows(const mlx_scene_t *scene, int columns);

/*  The lines of common/view/details.h. Returns the rows used. */
int mlx_scene_details(const mlx_scene_t *scene, mlx_area_t area);

/*  Each core as a bar of its own. Returns the rows used. */
int mlx_scene_cores(const mlx_scene_t *scene, mlx_area_t area);

/* ---- top_tables.c ---- */

/*  The models; with REQUESTS those that each works on beneath it. Returns the rows used. */
int mlx_scene_models(const mlx_scene_t *scene, mlx_area_t area, bool requests);
size_t mlx_scene_models_count(const mlx_scene_t *scene);

/*  The requests under way, then those that have ended, the newest first. */
void mlx_scene_requests(const mlx_scene_t *scene, mlx_area_t area);
size_t mlx_scene_requests_count(const mlx_scene_t *scene);

/*  The processes on the GPUs. */
void mlx_scene_processes(const mlx_scene_t *scene, mlx_area_t area);
size_t mlx_scene_processes_count(const mlx_scene_t *scene);

/* ---- top_plots.c ---- */

/*  The plots of those of the scene's figures in WANTED (a bit each, mlx_scene_bit) that have one:
 *  speed over the whole width, the others ACROSS in a row beneath it. What there are no values of
 *  is a line with the reason. */
void mlx_scene_plots(const mlx_scene_t *scene, mlx_area_t area, unsigned wanted, int across);

/*  The bit of figure ID; 0: the scene has no such figure. */
unsigned mlx_scene_bit(const mlx_scene_t *scene, const char *id);

/*  All of them. */
#define MLX_TOP_ALL (~0u)

#endif
