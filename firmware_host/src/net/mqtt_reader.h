/* The strict half of the MQTT client: bytes of a broker in, packets out. MQTT 3.1.1 (OASIS standard), what a server may
 * send to a client that asks for clean sessions and QoS 0 or 1. Payloads pass through; nothing is stored but the topic. */
#ifndef FLEET_NET_MQTT_READER_H
#define FLEET_NET_MQTT_READER_H

#include "base/bytes.h"
#include "base/fault.h"

#define FLEET_MQTT_TOPIC 128 /* bytes of the longest topic received; the fleet's longest are below 100 (docs/spec/delivery.md) */

enum fleet_mqtt_type { /* section 2.2.1 */
    FLEET_MQTT_CONNECT = 1,
    FLEET_MQTT_CONNACK = 2,
    FLEET_MQTT_PUBLISH = 3,
    FLEET_MQTT_PUBACK = 4,
    FLEET_MQTT_SUBSCRIBE = 8,
    FLEET_MQTT_SUBACK = 9,
    FLEET_MQTT_UNSUBSCRIBE = 10,
    FLEET_MQTT_UNSUBACK = 11,
    FLEET_MQTT_PINGREQ = 12,
    FLEET_MQTT_PINGRESP = 13,
    FLEET_MQTT_DISCONNECT = 14,
};

struct fleet_mqtt_reader {
    uint32_t remaining; /* bytes of the packet that have not come */
    uint32_t collected; /* bytes of the present field that have */
    uint16_t topic_size;
    uint8_t phase;
    uint8_t first; /* the packet's first byte */
    uint8_t small[4];
    bool greeted; /* an accepting CONNACK came */
    bool failed;
    char topic[FLEET_MQTT_TOPIC + 1]; /* zero-terminated */
};

enum fleet_mqtt_event {
    FLEET_MQTT_NOTHING, /* more bytes are needed */
    FLEET_MQTT_BEGIN,   /* a PUBLISH: `topic`, `size`, `retained` */
    FLEET_MQTT_DATA,    /* a piece of its payload: `data`, within the bytes given */
    FLEET_MQTT_END,     /* all of it came: `id` is to be acknowledged when `qos` is 1 */
    FLEET_MQTT_PACKET,  /* another packet: `type`, `id`, `code` */
    FLEET_MQTT_BAD,     /* against the standard: close the connection */
};

struct fleet_mqtt_packet {
    enum fleet_mqtt_event event;
    uint8_t type;
    uint8_t qos;
    uint8_t code; /* of CONNACK, 0 to 5, and SUBACK: 0, 1 or 0x80 */
    bool retained;
    uint16_t id;
    uint32_t size; /* bytes of the payload */
    struct fleet_bytes data;
};

/* For a new connection. */
void fleet_mqtt_reader_start(struct fleet_mqtt_reader *reader);

/* Takes bytes until one event happened or all are taken; gives how many. An END after an empty or whole payload may need
 * no more bytes: call until NOTHING. After BAD every call gives BAD. */
size_t fleet_mqtt_reader_take(struct fleet_mqtt_reader *reader, struct fleet_bytes bytes, struct fleet_mqtt_packet *packet,
                              struct fleet_fault *fault);

#endif
