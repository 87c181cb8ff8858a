/* libFuzzer: any bytes as a broker's, whole and in pieces. Both must tell the same packets, and payloads must be as long as
 * they were announced. The first byte of the input says how large the pieces are.
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -Isrc tests/fuzz/fuzz_mqtt.c src/net/mqtt_reader.c src/net/mqtt_topic.c src/base/fault.c src/base/format.c */
#include <stdlib.h>
#include <string.h>

#include "net/mqtt_reader.h"

static const uint8_t connack[4] = {0x20, 2, 0, 0};

static uint32_t mix(uint32_t sum, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        sum = (sum ^ ((const uint8_t *)data)[i]) * 16777619u;
    }
    return sum;
}

struct told {
    uint32_t sum;
    uint32_t packets;
    uint64_t left; /* bytes of a payload that must still come */
    bool within;
    bool bad;
};

static void feed(struct fleet_mqtt_reader *reader, struct fleet_bytes bytes, struct told *told)
{
    struct fleet_mqtt_packet packet;
    struct fleet_fault fault;
    size_t taken = 0;
    do {
        const size_t now = fleet_mqtt_reader_take(reader, fleet_bytes(bytes.data + taken, bytes.size - taken), &packet, &fault);
        if (now > bytes.size - taken) {
            abort();
        }
        taken += now;
        switch (packet.event) {
        case FLEET_MQTT_BEGIN:
            if (told->within || strlen(reader->topic) != reader->topic_size) {
                abort();
            }
            told->within = true;
            told->left = packet.size;
            told->sum = mix(told->sum, reader->topic, reader->topic_size);
            break;
        case FLEET_MQTT_DATA:
            if (!told->within || packet.data.size == 0 || packet.data.size > told->left) {
                abort();
            }
            told->left -= packet.data.size;
            told->sum = mix(told->sum, packet.data.data, packet.data.size);
            break;
        case FLEET_MQTT_END:
            if (!told->within || told->left != 0) {
                abort();
            }
            told->within = false;
            told->sum = mix(told->sum, &packet.id, sizeof packet.id);
            told->packets++;
            break;
        case FLEET_MQTT_PACKET:
            if (told->within) {
                abort();
            }
            told->sum = mix(told->sum, &packet.type, 1);
            told->sum = mix(told->sum, &packet.id, sizeof packet.id);
            told->packets++;
            break;
        case FLEET_MQTT_BAD:
            if (memchr(fault.text, 0, sizeof fault.text) == NULL) {
                abort();
            }
            told->bad = true;
            return;
        default:
            if (taken != bytes.size) {
                abort();
            }
            break;
        }
    } while (packet.event != FLEET_MQTT_NOTHING);
}

static struct told tell(struct fleet_bytes bytes, size_t piece, bool greeted)
{
    struct fleet_mqtt_reader reader;
    struct told told = {.sum = 2166136261u};
    fleet_mqtt_reader_start(&reader);
    if (greeted) {
        feed(&reader, fleet_bytes(connack, sizeof connack), &told);
    }
    for (size_t at = 0; at < bytes.size && !told.bad; at += piece) {
        feed(&reader, fleet_bytes(bytes.data + at, bytes.size - at < piece ? bytes.size - at : piece), &told);
    }
    return told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const struct fleet_bytes bytes = fleet_bytes(data + 1, size - 1);
    const bool greeted = (data[0] & 0x80u) != 0; /* else the input has to bring a CONNACK itself */
    const struct told whole = tell(bytes, bytes.size, greeted);
    const struct told pieces = tell(bytes, 1u + (data[0] & 0x7Fu), greeted);
    if (whole.sum != pieces.sum || whole.packets != pieces.packets || whole.bad != pieces.bad || whole.left != pieces.left) {
        abort();
    }
    return 0;
}
