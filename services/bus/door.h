/*  door.h - who may connect to the broker: descriptors are kept for those who come next
 *
 *  libzmq ends the process when accept(2) finds no descriptor left, and has no option that keeps it
 *  from accepting. So the broker stands in front of accept(2) itself: once the door is watched,
 *  every connection that libzmq takes passes it, and one too many is closed before libzmq sees it
 *  (to libzmq the client seems to have gone at once). What is bounded:
 *
 *      all together   the limit of open files, less a reserve that no connection gets
 *      each socket    publishers, subscribers, commands: two fifths of what is left for connections
 *      TCP            a quarter, and half of that for one address
 *      one process    half
 *
 *      mlx_door_watch();                   before the first socket is bound
 *      ... mlx_door_refused() ...          how many were turned away so far
 *
 *  Linux only: elsewhere no program can stand in front of its libraries, and nothing is refused.
 */
#ifndef MLX_SERVICES_BUS_DOOR_H
#define MLX_SERVICES_BUS_DOOR_H

#include "proto/base.h"

/*  Begin to count, or count again after the limit has changed. */
void mlx_door_watch(void);

/*  Let everybody in again. */
void mlx_door_unwatch(void);

/*  Connections turned away since the process began. */
int64_t mlx_door_refused(void);

#endif
