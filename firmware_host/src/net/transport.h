/* A stream of bytes to one peer: what MQTT asks of the layers below. lwIP's raw TCP, mbedTLS over it and POSIX sockets
 * implement it. Nothing here blocks; every function is called from the one main loop. */
#ifndef FLEET_NET_TRANSPORT_H
#define FLEET_NET_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

enum fleet_transport_state {
    FLEET_TRANSPORT_WAIT, /* resolving, connecting or shaking hands */
    FLEET_TRANSPORT_OPEN, /* bytes can flow; also while bytes of a peer that closed are unread */
    FLEET_TRANSPORT_DOWN, /* never opened, closed or failed */
};

struct fleet_transport {
    void *context;

    /* Begins to connect; `host` is a name or an address, zero-terminated, and stays valid until `close`. False: it cannot even
     * begin, with a fault. */
    bool (*open)(void *context, const char *host, uint16_t port, struct fleet_fault *fault);

    /* Makes progress and says where it stands; fills `fault` when DOWN. */
    enum fleet_transport_state (*poll)(void *context, struct fleet_fault *fault);

    /* Copies what has arrived, at most `size` bytes; 0: nothing now. */
    size_t (*read)(void *context, uint8_t *to, size_t size);

    /* Takes what fits now, at most `size` bytes; gives how many. The bytes are the caller's again on return. */
    size_t (*write)(void *context, const uint8_t *from, size_t size);

    /* Ends it, in whatever state; may be called twice. */
    void (*close)(void *context);
};

#endif
