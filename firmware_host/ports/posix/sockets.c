#define _POSIX_C_SOURCE 200809L
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/format.h"

static void close_socket(void *context)
{
    struct fleet_sockets *sockets = context;
    if (sockets->file >= 0) {
        (void)close(sockets->file);
    }
    *sockets = (struct fleet_sockets){.file = -1};
}

static void port_text(char *to, size_t size, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    (void)fleet_format_list(to, size, format, values);
    va_end(values);
}

static bool open_socket(void *context, const char *host, uint16_t port, struct fleet_fault *fault)
{
    struct fleet_sockets *sockets = context;
    const struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const int on = 1;
    char service[8];
    close_socket(context);
    port_text(service, sizeof service, "%u", (unsigned)port);
    if (getaddrinfo(host, service, &wanted, &found) != 0) {
        return fleet_fail(fault, "network", "the name %s has no address", host);
    }
    sockets->file = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
    if (sockets->file >= 0) {
        (void)fcntl(sockets->file, F_SETFL, O_NONBLOCK);
        (void)setsockopt(sockets->file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connect(sockets->file, found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS) {
            sockets->error = errno;
        }
    } else {
        sockets->error = errno;
    }
    freeaddrinfo(found);
    return sockets->error == 0 || fleet_fail(fault, "network", "%s:%u: %s", host, (unsigned)port, strerror(sockets->error));
}

static enum fleet_transport_state poll_socket(void *context, struct fleet_fault *fault)
{
    struct fleet_sockets *sockets = context;
    if (sockets->file >= 0 && !sockets->open && sockets->error == 0) {
        struct pollfd one = {.fd = sockets->file, .events = POLLOUT};
        socklen_t size = sizeof sockets->error;
        if (poll(&one, 1, 0) <= 0) {
            return FLEET_TRANSPORT_WAIT;
        }
        (void)getsockopt(sockets->file, SOL_SOCKET, SO_ERROR, &sockets->error, &size);
        sockets->open = sockets->error == 0;
    }
    if (sockets->error != 0 || sockets->ended || sockets->file < 0) {
        (void)fleet_fail(fault, "network", "the connection ended: %s",
                         sockets->error != 0 ? strerror(sockets->error) : "the broker closed it");
        return FLEET_TRANSPORT_DOWN;
    }
    return FLEET_TRANSPORT_OPEN;
}

/* Bytes of a result; an error but "later" is kept for `poll`. */
static size_t moved(struct fleet_sockets *sockets, ssize_t result)
{
    if (result < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        sockets->error = errno;
    }
    return result < 0 ? 0 : (size_t)result;
}

static size_t read_socket(void *context, uint8_t *to, size_t size)
{
    struct fleet_sockets *sockets = context;
    const ssize_t result = recv(sockets->file, to, size, 0);
    sockets->ended = result == 0 && size != 0;
    return moved(sockets, result);
}

static size_t write_socket(void *context, const uint8_t *from, size_t size)
{
    struct fleet_sockets *sockets = context;
    const ssize_t result = send(sockets->file, from, size, MSG_NOSIGNAL);
    /* What the broker sent before it closed is still to be read: its end, not this error, ends the session. */
    if (result < 0 && (errno == EPIPE || errno == ECONNRESET)) {
        return 0;
    }
    return moved(sockets, result);
}

struct fleet_transport fleet_sockets_transport(struct fleet_sockets *sockets)
{
    *sockets = (struct fleet_sockets){.file = -1};
    return (struct fleet_transport){sockets, open_socket, poll_socket, read_socket, write_socket, close_socket};
}
