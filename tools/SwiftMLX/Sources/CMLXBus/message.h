/*  message.h - messages that outlive the handler they were given to */
#ifndef CMLXBUS_MESSAGE_H
#define CMLXBUS_MESSAGE_H

#include "cmlxbus.h"
#include "proto/message.h"

/*  A deep copy, without the values that were stale when it was sent (held.h); whoever gets it must
 *  free it. */
cmlx_message_t *cmlx_message_copy(const mlx_message_t *message);

/*  Borrowed. */
const mlx_message_t *cmlx_message_inner(const cmlx_message_t *self);

#endif
