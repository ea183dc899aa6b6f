#include "peer.h"

#include <stdlib.h>
#include <string.h>

/*  libzmq asks the kernel who connected and writes it behind the address: "...:UID:GID:PID". */
int64_t mlx_peer_pid(zmq_msg_t *frame)
{
    const char *address = zmq_msg_gets(frame, "Peer-Address");
    const char *colon = address ? strrchr(address, ':') : NULL;
    int64_t pid = 0;
    const char *at = colon ? colon + 1 : "";
    for (; *at >= '0' && *at <= '9' && pid < INT32_MAX; at++)
        pid = pid * 10 + (*at - '0');
    return *at ? 0 : pid;
}
