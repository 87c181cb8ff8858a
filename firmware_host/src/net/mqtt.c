#include "net/mqtt.h"

#include <string.h>

#include "net/mqtt_topic.h"

#define READS 8u      /* buffers of one poll */
#define RESERVED 8u   /* bytes of the ring that messages leave to PUBACK, PINGREQ and DISCONNECT */
#define PUBACK_SIZE 4u
#define LARGEST 268435455u /* remaining length (2.2.3) */

static struct fleet_bytes text(const char *of)
{
    return fleet_bytes(of, strlen(of));
}

static void put_byte(struct fleet_mqtt *mqtt, uint32_t byte)
{
    const uint8_t one = (uint8_t)byte;
    fleet_mqtt_ring_put(&mqtt->ring, fleet_bytes(&one, 1));
}

static void put_short(struct fleet_mqtt *mqtt, uint32_t value)
{
    put_byte(mqtt, value >> 8);
    put_byte(mqtt, value & 0xFFu);
}

static void put_string(struct fleet_mqtt *mqtt, struct fleet_bytes string)
{
    put_short(mqtt, (uint32_t)string.size);
    fleet_mqtt_ring_put(&mqtt->ring, string);
}

static size_t header_size(uint64_t remaining)
{
    return 2u + (remaining >= 128u) + (remaining >= 16384u) + (remaining >= 2097152u);
}

static void put_header(struct fleet_mqtt *mqtt, uint32_t first, uint32_t remaining)
{
    put_byte(mqtt, first);
    for (unsigned i = 0; i < 4; i++) {
        put_byte(mqtt, (remaining & 0x7Fu) | (remaining >= 128u ? 0x80u : 0u));
        remaining >>= 7;
        if (remaining == 0) {
            break;
        }
    }
}

/* Of the CONNECT's variable header and payload (3.1). */
static uint64_t connect_size(const struct fleet_mqtt_options *options)
{
    uint64_t size = 10u + 2u + strlen(options->client);
    if (options->will != NULL) {
        size += 4u + (uint64_t)strlen(options->will->topic) + options->will->payload.size;
    }
    if (options->user != NULL) {
        size += 2u + (uint64_t)strlen(options->user);
        size += options->password.size == 0 ? 0 : 2u + (uint64_t)options->password.size;
    }
    return size;
}

static void put_connect(struct fleet_mqtt *mqtt)
{
    const struct fleet_mqtt_options *options = mqtt->options;
    const bool password = options->user != NULL && options->password.size != 0;
    uint32_t flags = 2u; /* clean session */
    if (options->will != NULL) {
        flags |= 4u | (uint32_t)options->will->qos << 3 | (options->will->retained ? 0x20u : 0u);
    }
    flags |= (options->user != NULL ? 0x80u : 0u) | (password ? 0x40u : 0u);
    put_header(mqtt, FLEET_MQTT_CONNECT << 4, (uint32_t)connect_size(options));
    put_string(mqtt, text("MQTT"));
    put_byte(mqtt, 4);
    put_byte(mqtt, flags);
    put_short(mqtt, options->keep_alive_s);
    put_string(mqtt, text(options->client));
    if (options->will != NULL) {
        put_string(mqtt, text(options->will->topic));
        put_string(mqtt, options->will->payload);
    }
    if (options->user != NULL) {
        put_string(mqtt, text(options->user));
        if (password) {
            put_string(mqtt, options->password);
        }
    }
}

static void enter(struct fleet_mqtt *mqtt, enum fleet_mqtt_state state)
{
    mqtt->state = (uint8_t)state;
    mqtt->since = mqtt->now;
}

/* Half of a delay that doubles with each failure, and a random part of the other half. */
static uint32_t next_delay(struct fleet_mqtt *mqtt)
{
    const struct fleet_mqtt_options *options = mqtt->options;
    uint64_t delay = options->retry_first_ms;
    for (uint32_t i = 0; i < mqtt->attempts && delay < options->retry_most_ms; i++) {
        delay *= 2;
    }
    delay = delay > options->retry_most_ms ? options->retry_most_ms : delay;
    mqtt->attempts += mqtt->attempts < 32;
    return (uint32_t)(delay / 2 + options->random(options->random_context) % (delay / 2 + 1));
}

static void end_session(struct fleet_mqtt *mqtt, const struct fleet_fault *fault)
{
    const struct fleet_mqtt_options *options = mqtt->options;
    const bool within = mqtt->within, leaving = mqtt->state == FLEET_MQTT_LEAVING;
    /* Only a session that lasted shows that the broker is well: one that ends soon makes the delays grow further. */
    if (mqtt->state == FLEET_MQTT_UP && mqtt->now - mqtt->since >= options->retry_most_ms) {
        mqtt->attempts = 0;
    }
    options->transport->close(options->transport->context);
    fleet_mqtt_ring_start(&mqtt->ring, options->send, options->send_size);
    memset(mqtt->flight, 0, sizeof mqtt->flight);
    mqtt->within = false;
    mqtt->unread = 0;
    mqtt->delay = leaving ? 0 : next_delay(mqtt);
    enter(mqtt, leaving ? FLEET_MQTT_STOPPED : FLEET_MQTT_RESTING);
    if (within && options->events.end != NULL) {
        options->events.end(options->events.context, false);
    }
    if (fault != NULL && !leaving && options->events.disconnected != NULL) {
        options->events.disconnected(options->events.context, fault);
    }
}

static const char *refusal(uint8_t code)
{
    static const char *const words[] = {"", "it does not speak MQTT 3.1.1", "it rejects this client id", "it is unavailable",
                                        "user name or password are wrong", "this client is not authorized"};
    return code < sizeof words / sizeof words[0] ? words[code] : "unknown";
}

static bool settle(struct fleet_mqtt *mqtt, const struct fleet_mqtt_packet *packet, struct fleet_fault *fault)
{
    const struct fleet_mqtt_events *events = &mqtt->options->events;
    const uint8_t type = (uint8_t)(packet->type - 1u); /* what it answers: each answer's type is one above */
    for (size_t i = 0; i < FLEET_MQTT_IN_FLIGHT; i++) {
        if (mqtt->flight[i].id == packet->id && mqtt->flight[i].type == type) {
            mqtt->flight[i].id = 0;
            if (events->acknowledged != NULL) {
                events->acknowledged(events->context, packet->id, packet->code != 0x80);
            }
            return true;
        }
    }
    return fleet_fail(fault, "protocol", "the broker acknowledged identifier %u, which nothing waits for", (unsigned)packet->id);
}

static bool take_packet(struct fleet_mqtt *mqtt, const struct fleet_mqtt_packet *packet, struct fleet_fault *fault)
{
    const struct fleet_mqtt_events *events = &mqtt->options->events;
    switch (packet->type) {
    case FLEET_MQTT_CONNACK:
        if (packet->code != 0) {
            return fleet_fail(fault, "refused", "the broker refused the connection: %s (%u)", refusal(packet->code),
                              (unsigned)packet->code);
        }
        if (mqtt->state == FLEET_MQTT_GREETING) { /* not when it is leaving */
            enter(mqtt, FLEET_MQTT_UP);
            if (events->connected != NULL) {
                events->connected(events->context);
            }
        }
        return true;
    case FLEET_MQTT_PINGRESP:
        mqtt->waits_for_ping = false;
        return true;
    default:
        return settle(mqtt, packet, fault);
    }
}

static bool take_event(struct fleet_mqtt *mqtt, const struct fleet_mqtt_packet *packet, struct fleet_fault *fault)
{
    const struct fleet_mqtt_events *events = &mqtt->options->events;
    switch (packet->event) {
    case FLEET_MQTT_BEGIN:
        mqtt->within = events->begin != NULL && events->begin(events->context, mqtt->reader.topic, packet->size, packet->retained);
        return true;
    case FLEET_MQTT_DATA:
        if (mqtt->within && events->data != NULL) {
            events->data(events->context, packet->data);
        }
        return true;
    case FLEET_MQTT_END:
        if (mqtt->within && events->end != NULL) {
            events->end(events->context, true);
        }
        mqtt->within = false;
        if (packet->qos == 1) { /* after `end`: what is acknowledged was stored (4.3.2) */
            put_header(mqtt, FLEET_MQTT_PUBACK << 4, 2);
            put_short(mqtt, packet->id);
        }
        return true;
    case FLEET_MQTT_PACKET:
        return take_packet(mqtt, packet, fault);
    default:
        return packet->event != FLEET_MQTT_BAD;
    }
}

/* False, with a fault: the session is over. */
static bool receive(struct fleet_mqtt *mqtt, struct fleet_fault *fault)
{
    const struct fleet_mqtt_options *options = mqtt->options;
    for (unsigned i = 0; i < READS; i++) {
        struct fleet_mqtt_packet packet;
        if (mqtt->unread == 0) {
            mqtt->offset = 0;
            mqtt->unread = options->transport->read(options->transport->context, options->receive, options->receive_size);
            if (mqtt->unread == 0 || mqtt->unread > options->receive_size) {
                mqtt->unread = 0;
                return true;
            }
            mqtt->received = mqtt->now;
        }
        do {
            /* Whoever sends but does not read its acknowledgements waits. */
            if (fleet_mqtt_ring_free(&mqtt->ring) < PUBACK_SIZE) {
                return true;
            }
            const struct fleet_bytes left = fleet_bytes(options->receive + mqtt->offset, mqtt->unread);
            const size_t taken = fleet_mqtt_reader_take(&mqtt->reader, left, &packet, fault);
            mqtt->offset += taken;
            mqtt->unread -= taken;
            if (!take_event(mqtt, &packet, fault)) {
                return false;
            }
        } while (packet.event != FLEET_MQTT_NOTHING);
    }
    return true;
}

/* PINGREQ after three quarters of the keep-alive without a packet in one of the directions (3.1.2.10). */
static bool keep_alive(struct fleet_mqtt *mqtt, struct fleet_fault *fault)
{
    const struct fleet_mqtt_options *options = mqtt->options;
    const uint32_t quiet = options->keep_alive_s * 750u;
    if (mqtt->waits_for_ping) {
        const uint32_t life = mqtt->now - mqtt->received < mqtt->now - mqtt->pinged ? mqtt->received : mqtt->pinged;
        return mqtt->now - life < options->timeout_ms ||
               fleet_fail(fault, "timeout", "the broker gave no sign of life for %u ms", (unsigned)options->timeout_ms);
    }
    if ((mqtt->now - mqtt->sent >= quiet || mqtt->now - mqtt->received >= quiet) && fleet_mqtt_ring_free(&mqtt->ring) >= 2) {
        put_header(mqtt, FLEET_MQTT_PINGREQ << 4, 0);
        mqtt->waits_for_ping = true;
        mqtt->pinged = mqtt->now;
    } else if (mqtt->ring.used != 0 && mqtt->now - mqtt->sent >= quiet + options->timeout_ms) {
        return fleet_fail(fault, "timeout", "the broker reads nothing any more");
    }
    return true;
}

static bool open_session(struct fleet_mqtt *mqtt, struct fleet_fault *fault)
{
    const struct fleet_mqtt_options *options = mqtt->options;
    fleet_mqtt_reader_start(&mqtt->reader);
    fleet_mqtt_ring_start(&mqtt->ring, options->send, options->send_size);
    mqtt->waits_for_ping = false;
    mqtt->unread = 0;
    enter(mqtt, FLEET_MQTT_OPENING);
    return options->transport->open(options->transport->context, options->host, options->port, fault);
}

static bool step(struct fleet_mqtt *mqtt, struct fleet_fault *fault)
{
    const struct fleet_transport *transport = mqtt->options->transport;
    const enum fleet_transport_state below = transport->poll(transport->context, fault);
    const bool late = mqtt->now - mqtt->since >= mqtt->options->timeout_ms;
    if (below == FLEET_TRANSPORT_DOWN) {
        return false;
    }
    if (mqtt->state == FLEET_MQTT_OPENING && below == FLEET_TRANSPORT_OPEN) {
        mqtt->state = FLEET_MQTT_GREETING; /* the same time limit goes on */
        mqtt->sent = mqtt->received = mqtt->now;
        put_connect(mqtt);
    }
    if (late && mqtt->state != FLEET_MQTT_UP) {
        return fleet_fail(fault, "timeout", "%s:%u did not accept a connection within %u ms", mqtt->options->host,
                          (unsigned)mqtt->options->port, (unsigned)mqtt->options->timeout_ms);
    }
    if (mqtt->state == FLEET_MQTT_OPENING) {
        return true;
    }
    if (!receive(mqtt, fault) || (mqtt->state == FLEET_MQTT_UP && !keep_alive(mqtt, fault))) {
        return false;
    }
    if (fleet_mqtt_ring_send(&mqtt->ring, transport)) {
        mqtt->sent = mqtt->now;
    }
    if (mqtt->state == FLEET_MQTT_LEAVING && mqtt->ring.used == 0 && mqtt->ring.loan.size == 0) {
        return fleet_fail(fault, "network", "left");
    }
    return true;
}

void fleet_mqtt_poll(struct fleet_mqtt *mqtt, uint32_t now_ms)
{
    struct fleet_fault fault;
    mqtt->now = now_ms;
    (void)fleet_fail(&fault, "network", "the connection ended");
    if (mqtt->state == FLEET_MQTT_STOPPED || (mqtt->state == FLEET_MQTT_RESTING && now_ms - mqtt->since < mqtt->delay)) {
        return;
    }
    if (mqtt->state == FLEET_MQTT_RESTING && !open_session(mqtt, &fault)) {
        end_session(mqtt, &fault);
        return;
    }
    if (!step(mqtt, &fault)) {
        end_session(mqtt, &fault);
    }
}

bool fleet_mqtt_start(struct fleet_mqtt *mqtt, const struct fleet_mqtt_options *options, uint32_t now_ms,
                      struct fleet_fault *fault)
{
    const struct fleet_mqtt_message *will = options->will;
    const uint64_t size = connect_size(options);
    if (!fleet_mqtt_is_text(text(options->client)) || (options->user != NULL && !fleet_mqtt_is_text(text(options->user))) ||
        options->password.size > 65535u || (options->user == NULL && options->password.size != 0)) {
        return fleet_fail(fault, "options", "client id, user or password are no strings of MQTT");
    }
    if (will != NULL && (!fleet_mqtt_is_topic(text(will->topic)) || will->payload.size > 65535u || will->qos > 1)) {
        return fleet_fail(fault, "options", "the will's topic, payload or QoS are none of MQTT");
    }
    if (options->keep_alive_s == 0 || options->timeout_ms == 0 || options->receive_size < 16) {
        return fleet_fail(fault, "options", "keep-alive, time limit or receive buffer are too small");
    }
    if (options->send_size < size + header_size(size) + RESERVED) {
        return fleet_fail(fault, "options", "the send buffer must hold CONNECT: %u bytes", (unsigned)(size + header_size(size) + RESERVED));
    }
    memset(mqtt, 0, sizeof *mqtt);
    mqtt->options = options;
    mqtt->now = mqtt->since = now_ms;
    fleet_mqtt_ring_start(&mqtt->ring, options->send, options->send_size);
    mqtt->state = FLEET_MQTT_RESTING;
    return true;
}

/* Whether a packet of `size` bytes can be put now; `id`: of the slot that it was given, when it needs an answer. */
static bool reserve(struct fleet_mqtt *mqtt, uint64_t size, uint8_t type, bool answered, uint16_t *id, struct fleet_fault *fault)
{
    *id = 0;
    if (mqtt->state != FLEET_MQTT_UP) {
        return fleet_fail(fault, "network", "not connected");
    }
    if (size + RESERVED > fleet_mqtt_ring_free(&mqtt->ring)) {
        return fleet_fail(fault, "busy", "%u bytes do not fit among those that wait to be sent", (unsigned)size);
    }
    if (!answered) {
        return true;
    }
    for (size_t i = 0; i < FLEET_MQTT_IN_FLIGHT; i++) {
        if (mqtt->flight[i].id == 0) {
            /* 16 slots that cycle through 65535 identifiers: the next one is free unless an answer is 65519 packets late. */
            mqtt->last_id = mqtt->last_id == UINT16_MAX ? 1 : (uint16_t)(mqtt->last_id + 1u);
            mqtt->flight[i].id = mqtt->last_id;
            mqtt->flight[i].type = type;
            *id = mqtt->last_id;
            return true;
        }
    }
    return fleet_fail(fault, "busy", "%u packets wait for an answer", FLEET_MQTT_IN_FLIGHT);
}

static uint16_t ask(struct fleet_mqtt *mqtt, uint8_t type, const char *filter, uint32_t qos, struct fleet_fault *fault)
{
    const struct fleet_bytes name = text(filter);
    const uint64_t size = 4u + (uint64_t)name.size + (type == FLEET_MQTT_SUBSCRIBE);
    uint16_t id;
    if (!fleet_mqtt_is_filter(name) || qos > 1) {
        return fleet_fail(fault, "options", "no topic filter of MQTT, or a QoS above 1");
    }
    if (!reserve(mqtt, header_size(size) + size, type, true, &id, fault)) {
        return 0;
    }
    put_header(mqtt, (uint32_t)type << 4 | 2u, (uint32_t)size); /* 3.8.1, 3.10.1: flags 0010 */
    put_short(mqtt, id);
    put_string(mqtt, name);
    if (type == FLEET_MQTT_SUBSCRIBE) {
        put_byte(mqtt, qos);
    }
    return id;
}

uint16_t fleet_mqtt_subscribe(struct fleet_mqtt *mqtt, const char *filter, uint8_t qos, struct fleet_fault *fault)
{
    return ask(mqtt, FLEET_MQTT_SUBSCRIBE, filter, qos, fault);
}

uint16_t fleet_mqtt_unsubscribe(struct fleet_mqtt *mqtt, const char *filter, struct fleet_fault *fault)
{
    return ask(mqtt, FLEET_MQTT_UNSUBSCRIBE, filter, 0, fault);
}

bool fleet_mqtt_publish(struct fleet_mqtt *mqtt, const struct fleet_mqtt_message *message, bool lend, uint16_t *id,
                        struct fleet_fault *fault)
{
    const struct fleet_bytes name = text(message->topic);
    const uint64_t size = 2u + (uint64_t)name.size + 2u * (message->qos == 1) + message->payload.size;
    uint16_t given;
    if (!fleet_mqtt_is_topic(name) || message->qos > 1 || size > LARGEST) {
        return fleet_fail(fault, "options", "no topic, QoS or size of MQTT");
    }
    if (lend && fleet_mqtt_lent(mqtt)) {
        return fleet_fail(fault, "busy", "another payload is being sent");
    }
    if (!reserve(mqtt, header_size(size) + size - (lend ? message->payload.size : 0), FLEET_MQTT_PUBLISH, message->qos == 1, &given, fault)) {
        return false;
    }
    put_header(mqtt, FLEET_MQTT_PUBLISH << 4 | (uint32_t)message->qos << 1 | (message->retained ? 1u : 0u), (uint32_t)size);
    put_string(mqtt, name);
    if (message->qos == 1) {
        put_short(mqtt, given);
    }
    if (lend) {
        fleet_mqtt_ring_lend(&mqtt->ring, message->payload);
    } else {
        fleet_mqtt_ring_put(&mqtt->ring, message->payload);
    }
    if (id != NULL) {
        *id = given;
    }
    return true;
}

bool fleet_mqtt_lent(const struct fleet_mqtt *mqtt)
{
    return mqtt->ring.loan.size != 0;
}

void fleet_mqtt_stop(struct fleet_mqtt *mqtt)
{
    if (mqtt->state == FLEET_MQTT_UP) {
        if (fleet_mqtt_ring_free(&mqtt->ring) >= 2) {
            put_header(mqtt, FLEET_MQTT_DISCONNECT << 4, 0);
        }
        enter(mqtt, FLEET_MQTT_LEAVING);
    } else if (mqtt->state != FLEET_MQTT_LEAVING) {
        enter(mqtt, FLEET_MQTT_LEAVING);
        end_session(mqtt, NULL);
    }
}
