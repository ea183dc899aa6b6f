/*  rig.h - a runtime's listening socket with a tap in front of it, and connections through both
 *
 *      rig_t rig;
 *      rig_open(&rig);
 *      pair_t pair = rig_pair(&rig);
 *      expect_text(pair.client, pair.server, "hello");
 *      rig_part(&pair);
 *      rig_close(&rig);
 *
 *  What goes wrong fails the test.
 */
#ifndef MLX_TESTS_TAP_RIG_H
#define MLX_TESTS_TAP_RIG_H

#include "services/watcher/tap.h"

typedef struct {
    int listen_fd;
    uint16_t port; /* of listen_fd */
    mlx_tap_t *tap;
    mlx_tap_snapshot_t snapshot;
    int wakes[2]; /* a pipe: one byte per wake */
} rig_t;

typedef struct {
    int client;
    int server;
} pair_t;

void rig_open(rig_t *rig);
void rig_close(rig_t *rig);

/*  Another tap, to HOST:PORT; with RIG its wakes are counted there. */
mlx_tap_t *rig_tap(const char *host, uint16_t port, int max_connections, rig_t *rig);

/*  A connection through the tap, and its end. */
pair_t rig_pair(rig_t *rig);
void rig_part(pair_t *pair);

/*  Take snapshots until DONE says so or the deadline has passed. */
void rig_await(rig_t *rig, bool (*done)(const mlx_tap_snapshot_t *));
bool rig_is_empty(const mlx_tap_snapshot_t *snapshot); /* no connection is open */

/*  Send TEXT from one end and expect it at the other. */
void expect_text(int from, int to, const char *text);

#endif
