/*  watch.h - which files of a rig were opened or read
 *
 *      watch_t watch;
 *      watch_start(&watch, &rig, "sys/class/drm/card0/device");
 *      ...
 *      assert_int_equal(watch_opened(&watch, "gpu_metrics"), 0);
 *      watch_end(&watch);
 */
#ifndef MLX_TESTS_SENSORS_WATCH_H
#define MLX_TESTS_SENSORS_WATCH_H

#include "rig.h"

enum {
    WATCH_FILES = 64
};

typedef struct {
    int fd;
    struct {
        char name[64];
        size_t opened, read;
    } files[WATCH_FILES];
    size_t count;
} watch_t;

/*  Begin with the files directly in FOLDER. */
void watch_start(watch_t *watch, const rig_t *rig, const char *folder);
void watch_end(watch_t *watch);

/*  How often file NAME was opened, or read, so far; NULL: all of the folder's files. */
size_t watch_opened(watch_t *watch, const char *name);
size_t watch_read(watch_t *watch, const char *name);

#endif
