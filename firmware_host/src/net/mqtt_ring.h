/* What waits to be sent: whole packets in a ring, and at most one payload that stays in its owner's memory. */
#ifndef FLEET_NET_MQTT_RING_H
#define FLEET_NET_MQTT_RING_H

#include "net/transport.h"
#include "base/bytes.h"

struct fleet_mqtt_ring {
    uint8_t *data;
    size_t size;
    size_t start; /* of the oldest byte */
    size_t used;
    struct fleet_bytes loan; /* what is left of the payload */
    size_t before;           /* bytes of the ring that go before the loan */
};

/* Empties it; `data` is the ring's until the last use. */
void fleet_mqtt_ring_start(struct fleet_mqtt_ring *ring, uint8_t *data, size_t size);

size_t fleet_mqtt_ring_free(const struct fleet_mqtt_ring *ring);

/* Appends; the caller has asked whether it fits. */
void fleet_mqtt_ring_put(struct fleet_mqtt_ring *ring, struct fleet_bytes bytes);

/* Has `payload` sent after all that was put; one at a time (`loan.size` is 0). */
void fleet_mqtt_ring_lend(struct fleet_mqtt_ring *ring, struct fleet_bytes payload);

/* Writes as much as the transport takes; whether anything went. */
bool fleet_mqtt_ring_send(struct fleet_mqtt_ring *ring, const struct fleet_transport *to);

#endif
