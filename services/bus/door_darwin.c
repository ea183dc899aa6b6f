/*  macOS: no program can stand in front of its libraries, so everybody is let in. */
#include "door.h"

void mlx_door_watch(void)
{
}

void mlx_door_unwatch(void)
{
}

int64_t mlx_door_refused(void)
{
    return 0;
}
