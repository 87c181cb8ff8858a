#include "net/mqtt_ring.h"

#include <string.h>

void fleet_mqtt_ring_start(struct fleet_mqtt_ring *ring, uint8_t *data, size_t size)
{
    *ring = (struct fleet_mqtt_ring){.data = data, .size = size};
}

size_t fleet_mqtt_ring_free(const struct fleet_mqtt_ring *ring)
{
    return ring->size - ring->used;
}

void fleet_mqtt_ring_put(struct fleet_mqtt_ring *ring, struct fleet_bytes bytes)
{
    for (size_t i = 0; i < bytes.size && ring->used < ring->size; i++) {
        ring->data[(ring->start + ring->used) % ring->size] = bytes.data[i];
        ring->used++;
    }
}

void fleet_mqtt_ring_lend(struct fleet_mqtt_ring *ring, struct fleet_bytes payload)
{
    ring->loan = payload;
    ring->before = ring->used;
}

bool fleet_mqtt_ring_send(struct fleet_mqtt_ring *ring, const struct fleet_transport *to)
{
    bool any = false;
    /* At most: the ring's end, its beginning, the loan, and both parts of the ring again. */
    for (unsigned turn = 0; turn < 5; turn++) {
        const bool lent = ring->loan.size != 0;
        size_t size = lent ? ring->before : ring->used;
        const uint8_t *from = ring->data + ring->start;
        if (size > ring->size - ring->start) {
            size = ring->size - ring->start;
        }
        if (size == 0 && lent) {
            from = ring->loan.data;
            size = ring->loan.size;
        }
        if (size == 0) {
            break;
        }
        const size_t taken = to->write(to->context, from, size);
        if (taken == 0 || taken > size) {
            break;
        }
        any = true;
        if (lent && ring->before == 0) {
            ring->loan = fleet_bytes(from + taken, size - taken);
        } else {
            ring->start = (ring->start + taken) % ring->size;
            ring->used -= taken;
            ring->before -= lent ? taken : 0;
        }
    }
    return any;
}
