#include "net/mqtt_reader.h"

#include <string.h>

#include "net/mqtt_topic.h"

enum phase { FIRST, LENGTH, SMALL, TOPIC_SIZE, TOPIC, ID, OPEN, PAYLOAD };

void fleet_mqtt_reader_start(struct fleet_mqtt_reader *reader)
{
    memset(reader, 0, sizeof *reader);
}

static bool bad(struct fleet_mqtt_reader *reader, struct fleet_fault *fault, const char *why)
{
    reader->failed = true;
    return fleet_fail(fault, "protocol", "the broker broke MQTT: %s (packet type %u, flags %x)", why,
                      (unsigned)(reader->first >> 4), (unsigned)(reader->first & 15u));
}

static uint8_t qos_of(const struct fleet_mqtt_reader *reader)
{
    return (uint8_t)((reader->first >> 1) & 3u);
}

/* Types and flags that a server may send (2.2.1, 2.2.2), and their order. */
static bool check_first(struct fleet_mqtt_reader *reader, struct fleet_fault *fault)
{
    const uint8_t flags = reader->first & 15u;
    const uint8_t type = reader->first >> 4;
    switch (type) {
    case FLEET_MQTT_CONNACK:
    case FLEET_MQTT_PUBACK:
    case FLEET_MQTT_SUBACK:
    case FLEET_MQTT_UNSUBACK:
    case FLEET_MQTT_PINGRESP:
        if (flags != 0) {
            return bad(reader, fault, "reserved flags are set"); /* MQTT-2.2.2-2 */
        }
        break;
    case FLEET_MQTT_PUBLISH:
        if (qos_of(reader) > 1) {
            return bad(reader, fault, "a QoS that nobody subscribed with"); /* MQTT-3.3.1-4, 3.8.4 */
        }
        if (qos_of(reader) == 0 && (flags & 8u) != 0) {
            return bad(reader, fault, "DUP with QoS 0"); /* MQTT-3.3.1-2 */
        }
        break;
    default:
        return bad(reader, fault, "a packet that no server sends to this client");
    }
    if (reader->greeted == (type == FLEET_MQTT_CONNACK)) {
        return bad(reader, fault, reader->greeted ? "a second CONNACK" : "its first packet is no CONNACK"); /* MQTT-3.2.0-1 */
    }
    return true;
}

/* The length is known: where does the packet go on? */
static bool check_length(struct fleet_mqtt_reader *reader, struct fleet_fault *fault)
{
    uint32_t wanted = 2;
    reader->collected = 0;
    switch (reader->first >> 4) {
    case FLEET_MQTT_PUBLISH:
        reader->phase = TOPIC_SIZE;
        /* A topic has at least one byte (MQTT-4.7.3-1). */
        return reader->remaining >= 3u + 2u * qos_of(reader) || bad(reader, fault, "a PUBLISH too short for its topic");
    case FLEET_MQTT_PINGRESP:
        wanted = 0;
        break;
    case FLEET_MQTT_SUBACK:
        wanted = 3; /* this client asks for one topic in each SUBSCRIBE */
        break;
    default:
        break;
    }
    reader->phase = SMALL;
    return reader->remaining == wanted || bad(reader, fault, "a wrong remaining length");
}

static uint16_t big_endian(const uint8_t *bytes)
{
    return (uint16_t)((uint32_t)bytes[0] << 8 | bytes[1]);
}

/* A whole packet that is no PUBLISH. */
static bool check_small(struct fleet_mqtt_reader *reader, struct fleet_mqtt_packet *packet, struct fleet_fault *fault)
{
    const uint8_t *small = reader->small;
    packet->type = reader->first >> 4;
    reader->phase = FIRST;
    switch (packet->type) {
    case FLEET_MQTT_CONNACK: /* 3.2.2; no session can be present after clean session 1 (MQTT-3.2.2-1) */
        if (small[0] != 0 || small[1] > 5) {
            return bad(reader, fault, "a CONNACK with reserved bits, a session or an unknown code");
        }
        packet->code = small[1];
        reader->greeted = small[1] == 0;
        break;
    case FLEET_MQTT_PINGRESP:
        break;
    default:
        packet->id = big_endian(small);
        if (packet->id == 0) {
            return bad(reader, fault, "packet identifier 0"); /* MQTT-2.3.1-1 */
        }
        if (packet->type == FLEET_MQTT_SUBACK) {
            packet->code = small[2];
            if (packet->code > 1 && packet->code != 0x80) {
                return bad(reader, fault, "a SUBACK with a QoS that nobody asked for"); /* MQTT-3.9.3-2 */
            }
        }
        break;
    }
    packet->event = FLEET_MQTT_PACKET;
    return true;
}

/* One byte of anything but a topic's text and a payload. */
static bool take_byte(struct fleet_mqtt_reader *reader, uint8_t byte, struct fleet_mqtt_packet *packet, struct fleet_fault *fault)
{
    switch (reader->phase) {
    case FIRST:
        reader->first = byte;
        reader->remaining = 0;
        reader->collected = 0;
        reader->phase = LENGTH;
        return check_first(reader, fault);
    case LENGTH: /* 2.2.3: at most four bytes of seven bits */
        reader->remaining |= (uint32_t)(byte & 0x7Fu) << (7u * reader->collected);
        reader->collected++;
        if ((byte & 0x80u) != 0) {
            return reader->collected < 4 || bad(reader, fault, "a remaining length of more than four bytes");
        }
        if (!check_length(reader, fault)) {
            return false;
        }
        return reader->phase != SMALL || reader->remaining != 0 || check_small(reader, packet, fault);
    case SMALL:
        reader->small[reader->collected++ & 3u] = byte;
        reader->remaining--;
        return reader->remaining != 0 || check_small(reader, packet, fault);
    default: /* TOPIC_SIZE or ID: two bytes, big-endian */
        reader->small[reader->collected++ & 3u] = byte;
        reader->remaining--;
        if (reader->collected < 2) {
            return true;
        }
        reader->collected = 0;
        if (reader->phase == ID) {
            reader->phase = OPEN;
            return big_endian(reader->small) != 0 || bad(reader, fault, "packet identifier 0");
        }
        reader->topic_size = big_endian(reader->small);
        reader->phase = TOPIC;
        if (reader->topic_size == 0 || reader->topic_size > FLEET_MQTT_TOPIC) {
            return bad(reader, fault, "a topic that is empty or longer than any subscription");
        }
        return fleet_within(reader->topic_size, 2u * qos_of(reader), reader->remaining) ||
               bad(reader, fault, "a topic longer than its packet");
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t take_topic(struct fleet_mqtt_reader *reader, struct fleet_bytes bytes, struct fleet_fault *fault)
{
    const size_t size = least(bytes.size, reader->topic_size - reader->collected);
    memcpy(reader->topic + reader->collected, bytes.data, size);
    reader->collected += (uint32_t)size;
    reader->remaining -= (uint32_t)size;
    if (reader->collected == reader->topic_size) {
        reader->topic[reader->topic_size] = 0;
        reader->collected = 0;
        reader->phase = qos_of(reader) == 0 ? OPEN : ID;
        if (!fleet_mqtt_is_topic(fleet_bytes(reader->topic, reader->topic_size))) {
            (void)bad(reader, fault, "a topic with wildcards or ill-formed UTF-8"); /* MQTT-3.3.2-2, MQTT-1.5.3-1 */
        }
    }
    return size;
}

/* A PUBLISH whose topic and identifier are known: its beginning, the pieces of its payload, its end. */
static size_t take_payload(struct fleet_mqtt_reader *reader, struct fleet_bytes bytes, struct fleet_mqtt_packet *packet)
{
    packet->type = FLEET_MQTT_PUBLISH;
    packet->qos = qos_of(reader);
    packet->retained = (reader->first & 1u) != 0;
    packet->id = packet->qos == 0 ? 0 : big_endian(reader->small);
    if (reader->phase == OPEN) {
        packet->event = FLEET_MQTT_BEGIN;
        packet->size = reader->remaining;
        reader->phase = PAYLOAD;
        return 0;
    }
    if (reader->remaining == 0) {
        packet->event = FLEET_MQTT_END;
        reader->phase = FIRST;
        return 0;
    }
    const size_t size = least(bytes.size, reader->remaining);
    packet->event = size == 0 ? FLEET_MQTT_NOTHING : FLEET_MQTT_DATA;
    packet->data = fleet_bytes(bytes.data, size);
    reader->remaining -= (uint32_t)size;
    return size;
}

size_t fleet_mqtt_reader_take(struct fleet_mqtt_reader *reader, struct fleet_bytes bytes, struct fleet_mqtt_packet *packet,
                              struct fleet_fault *fault)
{
    size_t taken = 0;
    memset(packet, 0, sizeof *packet);
    /* Each turn takes a byte or makes an event. */
    while (!reader->failed && packet->event == FLEET_MQTT_NOTHING) {
        if (reader->phase == OPEN || reader->phase == PAYLOAD) {
            taken += take_payload(reader, fleet_bytes(bytes.data + taken, bytes.size - taken), packet);
            break;
        }
        if (taken == bytes.size) {
            break;
        }
        if (reader->phase == TOPIC) {
            taken += take_topic(reader, fleet_bytes(bytes.data + taken, bytes.size - taken), fault);
        } else {
            (void)take_byte(reader, bytes.data[taken], packet, fault);
            taken++;
        }
    }
    if (reader->failed) {
        packet->event = FLEET_MQTT_BAD;
    }
    return taken;
}
