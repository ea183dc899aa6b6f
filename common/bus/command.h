/*  command.h - frames of the command socket, shared by broker and clients
 *
 *  Clients and services connect a DEALER to the broker's ROUTER. Every message is a list of frames
 *  that begins with a verb; ID is chosen by the caller, ROUTE is opaque and comes from the broker,
 *  BODY is a msgpack map.
 *
 *  caller -> broker    call SERVICE ID BODY{cmd, args}      cancel SERVICE ID
 *  broker -> caller    progress ID BODY                     done ID BODY
 *                      error ID BODY{code, message, hint}
 *  service -> broker   ready SERVICE BOOT                   bye SERVICE
 *                      progress|done|error ROUTE ID BODY
 *  broker -> service   welcome BROKER-BOOT                  refused REASON   ping
 *                      call ROUTE ID BODY                   cancel ROUTE ID
 *
 *  A service says "ready" once a second; the broker answers "welcome". Pings carry nothing: sending
 *  to a peer that is gone fails, and that is how the broker learns it at once.
 */
#ifndef MLX_COMMON_BUS_COMMAND_H
#define MLX_COMMON_BUS_COMMAND_H

#define MLX_SOCKET_PUBLISH "publish.sock"     /* publishers connect here */
#define MLX_SOCKET_SUBSCRIBE "subscribe.sock" /* subscribers connect here */
#define MLX_SOCKET_COMMAND "command.sock"     /* callers and services connect here */

enum {
    MLX_COMMAND_MAX_FRAMES = 6,
    MLX_COMMAND_READY_MS = 1000,
    MLX_FRAME_MAX_BYTES = 16 * 1024 * 1024, /* larger frames end the connection (ZMQ_MAXMSGSIZE) */
};

#endif
