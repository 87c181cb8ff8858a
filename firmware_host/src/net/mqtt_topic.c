#include "net/mqtt_topic.h"

#define LARGEST 65535u

/* Bytes of the character at `at`, 0 when it is none: the table of RFC 3629, section 4. */
static size_t character(struct fleet_bytes text, size_t at)
{
    const uint8_t first = text.data[at];
    size_t size;
    uint8_t low = 0x80, high = 0xBF; /* of the second byte: no overlong forms, no surrogates, nothing above U+10FFFF */
    if (first < 0x80) {
        return first == 0 ? 0 : 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        size = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
        size = 3;
        low = first == 0xE0 ? 0xA0 : low;
        high = first == 0xED ? 0x9F : high;
    } else if (first >= 0xF0 && first <= 0xF4) {
        size = 4;
        low = first == 0xF0 ? 0x90 : low;
        high = first == 0xF4 ? 0x8F : high;
    } else {
        return 0;
    }
    if (!fleet_within(at, size, text.size) || text.data[at + 1] < low || text.data[at + 1] > high) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if ((text.data[at + i] & 0xC0u) != 0x80) {
            return 0;
        }
    }
    return size;
}

bool fleet_mqtt_is_text(struct fleet_bytes text)
{
    if (text.size > LARGEST) {
        return false;
    }
    for (size_t at = 0; at < text.size;) {
        const size_t size = character(text, at);
        if (size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}

bool fleet_mqtt_is_topic(struct fleet_bytes topic)
{
    for (size_t i = 0; i < topic.size; i++) {
        if (topic.data[i] == '+' || topic.data[i] == '#') {
            return false;
        }
    }
    return topic.size > 0 && fleet_mqtt_is_text(topic);
}

bool fleet_mqtt_is_filter(struct fleet_bytes filter)
{
    for (size_t i = 0; i < filter.size; i++) {
        const bool starts = i == 0 || filter.data[i - 1] == '/';
        const bool last = i + 1 == filter.size;
        if (filter.data[i] == '+' && !(starts && (last || filter.data[i + 1] == '/'))) {
            return false;
        }
        if (filter.data[i] == '#' && !(starts && last)) {
            return false;
        }
    }
    return filter.size > 0 && fleet_mqtt_is_text(filter);
}
