/* A streaming MQTT 3.1.1 client (OASIS standard): QoS 0 and 1 in both directions, last will, clean sessions, reconnection
 * with growing, random delays. Incoming payloads pass through piece by piece, so one may be larger than RAM; an outgoing
 * one may stay where it lies, in flash for instance. No allocation: one struct (below 500 bytes on a 32-bit processor) and two buffers
 * of the caller's.
 *
 * Sessions are clean: when one ends, what was not acknowledged is lost, and so are the subscriptions. `connected` is the
 * place to subscribe and publish anew, as docs/spec/delivery.md asks. */
#ifndef FLEET_NET_MQTT_H
#define FLEET_NET_MQTT_H

#include "net/mqtt_reader.h"
#include "net/mqtt_ring.h"
#include "net/transport.h"

#define FLEET_MQTT_IN_FLIGHT 16 /* SUBSCRIBE, UNSUBSCRIBE and PUBLISH of QoS 1 that wait for an answer */

struct fleet_mqtt_message {
    const char *topic;
    struct fleet_bytes payload;
    uint8_t qos; /* 0 or 1 */
    bool retained;
};

/* What the client tells; every function may be null, and may call anything below but `poll`. */
struct fleet_mqtt_events {
    void *context;
    void (*connected)(void *context);
    /* Once for every attempt and session that ended, with the reason. Fault codes: `network` (transport), `protocol` (the broker broke
     * the standard), `refused` (CONNACK 1 to 5), `timeout` (no answer in time). */
    void (*disconnected)(void *context, const struct fleet_fault *fault);
    /* A message of `size` bytes follows. False: it is read and thrown away, and acknowledged, without `data` and `end`. */
    bool (*begin)(void *context, const char *topic, uint32_t size, bool retained);
    void (*data)(void *context, struct fleet_bytes piece);
    /* `whole`: all of it came; otherwise the connection ended within it. */
    void (*end)(void *context, bool whole);
    /* PUBACK, SUBACK or UNSUBACK for the identifier; false: the broker refused the subscription (0x80). */
    void (*acknowledged)(void *context, uint16_t id, bool granted);
};

struct fleet_mqtt_options {
    const struct fleet_transport *transport;
    struct fleet_mqtt_events events;
    uint32_t (*random)(void *context); /* for jitter; 32 random bits */
    void *random_context;
    const char *host;
    const char *client;                    /* client id */
    const char *user;                      /* null: none */
    struct fleet_bytes password;           /* needs a user (MQTT-3.1.2-22) */
    const struct fleet_mqtt_message *will; /* null: none */
    uint8_t *receive;                      /* buffer: what one read of the transport takes at most; from 16 bytes on */
    size_t receive_size;
    uint8_t *send; /* ring: has to hold the CONNECT, and each packet without a lent payload */
    size_t send_size;
    uint32_t timeout_ms;     /* from opening to CONNACK, and from PINGREQ to a sign of life; from 1 on */
    uint32_t retry_first_ms; /* delay before the second attempt, at least half of it; doubles up to `retry_most_ms` */
    uint32_t retry_most_ms;
    uint16_t port;
    uint16_t keep_alive_s; /* 1 to 65535 (3.1.2.10) */
};

enum fleet_mqtt_state {
    FLEET_MQTT_RESTING, /* waits before it connects */
    FLEET_MQTT_OPENING, /* the transport connects */
    FLEET_MQTT_GREETING, /* CONNECT sent, no CONNACK yet */
    FLEET_MQTT_UP,
    FLEET_MQTT_LEAVING, /* sends what waits, and DISCONNECT */
    FLEET_MQTT_STOPPED,
};

struct fleet_mqtt {
    const struct fleet_mqtt_options *options;
    struct fleet_mqtt_reader reader;
    struct fleet_mqtt_ring ring;
    struct {
        uint16_t id; /* 0: free */
        uint8_t type;
    } flight[FLEET_MQTT_IN_FLIGHT];
    uint32_t now;      /* ms; wraps around */
    uint32_t since;    /* when the state began */
    uint32_t sent;     /* when something was sent last */
    uint32_t received;
    uint32_t pinged;
    uint32_t delay; /* before the next attempt */
    uint32_t attempts; /* that failed in a row */
    size_t unread;  /* bytes of `receive` from `offset` on that the reader has not taken */
    size_t offset;
    uint16_t last_id;
    uint8_t state;
    bool waits_for_ping;
    bool within; /* a message that `begin` took */
};

/* Checks the options, which stay the caller's and must outlive the client; connects at the first `poll`. False, with a
 * fault `options`: a text or topic is ill-formed, or a buffer too small for the CONNECT. */
bool fleet_mqtt_start(struct fleet_mqtt *mqtt, const struct fleet_mqtt_options *options, uint32_t now_ms,
                      struct fleet_fault *fault);

/* Makes progress: call it whenever something may have arrived, and at least ten times a second. `now_ms` only grows, modulo
 * 2^32. Reads at most eight buffers, so that a flood leaves time for others. */
void fleet_mqtt_poll(struct fleet_mqtt *mqtt, uint32_t now_ms);

/* The identifier of the SUBSCRIBE; 0: not connected, no room now (`busy`), or an ill-formed filter (`options`). */
uint16_t fleet_mqtt_subscribe(struct fleet_mqtt *mqtt, const char *filter, uint8_t qos, struct fleet_fault *fault);
uint16_t fleet_mqtt_unsubscribe(struct fleet_mqtt *mqtt, const char *filter, struct fleet_fault *fault);

/* Publishes; the payload is copied, or, with `lend`, stays the caller's and unchanged until `fleet_mqtt_lent` is false.
 * `id`: the identifier with QoS 1, else 0; may be null. */
bool fleet_mqtt_publish(struct fleet_mqtt *mqtt, const struct fleet_mqtt_message *message, bool lend, uint16_t *id,
                        struct fleet_fault *fault);
bool fleet_mqtt_lent(const struct fleet_mqtt *mqtt);

/* Sends what waits and DISCONNECT (3.14), then is STOPPED, at the latest after `timeout_ms`. The broker drops the will. */
void fleet_mqtt_stop(struct fleet_mqtt *mqtt);

#endif
