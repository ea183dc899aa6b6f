/*  bar_formats.h - the menu as text for status bars: pure functions, one line of a table per bar
 *
 *      const mlx_bar_format_t *format = mlx_bar_format_find("waybar");
 *      format->write(&out, menu, &(mlx_bar_options_t){.program = "/usr/bin/mlx-menubar"});
 *
 *  name      form of one update
 *  swiftbar  title, "---", one line an item, "text | key=value ..."; a stream puts "~~~" before
 *  each
 *            (https://github.com/swiftbar/SwiftBar#plugin-api)
 *  xbar      the same in xbar's words (https://github.com/matryer/xbar-plugins, "Plugin API")
 *  waybar    one line of JSON: text, alt, tooltip, class, percentage; texts are Pango markup
 *            (waybar-custom(5), "return-type": "json")
 *  i3blocks  one line of JSON: full_text, short_text, color (i3blocks(1), format=json)
 *  plain     one line: the title and the readings
 *  short     one line: the title, for a prompt or a narrow bar
 *  json      one line of JSON: title, badge, level, percentage (absent when unknown), items: a list
 *            of id, kind (text, separator, action), text, enabled, action. Keys are only added.
 *
 *  What a text may hold that the bar would take for its own syntax (a model called "x | bash=...")
 *  is replaced by a look-alike or escaped: no text can add a line, an item or a parameter.
 */
#ifndef MLX_TOOLS_MENUBAR_BAR_FORMATS_H
#define MLX_TOOLS_MENUBAR_BAR_FORMATS_H

#include "common/view/menu_view.h"
#include "proto/buf.h"

typedef struct {
    const char *program; /* path of mlx-menubar, for items that run it */
    bool stream;         /* more updates follow; false: this is the only one */
} mlx_bar_options_t;

typedef struct {
    const char *name;
    void (*write)(mlx_buf_t *out, const mlx_menu_t *menu, const mlx_bar_options_t *options);
} mlx_bar_format_t;

/*  The formats, and how many there are. */
extern const mlx_bar_format_t mlx_bar_formats[];
extern const size_t mlx_bar_formats_count;

/*  NULL when there is none of this NAME. */
const mlx_bar_format_t *mlx_bar_format_find(const char *name);

#endif
