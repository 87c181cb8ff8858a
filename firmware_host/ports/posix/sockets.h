/* The transport over POSIX sockets. Looking a name up blocks: a Linux process can afford it. */
#ifndef FLEET_POSIX_SOCKETS_H
#define FLEET_POSIX_SOCKETS_H

#include "net/transport.h"

struct fleet_sockets {
    int file;  /* −1: none */
    int error; /* errno of what ended it */
    bool open;
    bool ended; /* the peer closed */
};

/* `sockets` has to outlive the transport. */
struct fleet_transport fleet_sockets_transport(struct fleet_sockets *sockets);

#endif
