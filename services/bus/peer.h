/*  peer.h - which process of this machine sent a frame */
#ifndef MLX_SERVICES_BUS_PEER_H
#define MLX_SERVICES_BUS_PEER_H

#include <zmq.h>

#include "proto/base.h"

/*  The kernel's word for who holds the other end of the connection; 0: not known. */
int64_t mlx_peer_pid(zmq_msg_t *frame);

#endif
