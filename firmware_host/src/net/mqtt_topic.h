/* UTF-8 strings and topics of MQTT 3.1.1 (OASIS standard, sections 1.5.3 and 4.7). */
#ifndef FLEET_NET_MQTT_TOPIC_H
#define FLEET_NET_MQTT_TOPIC_H

#include "base/bytes.h"

/* Well-formed UTF-8 without U+0000 and surrogates (1.5.3), at most 65535 bytes. */
bool fleet_mqtt_is_text(struct fleet_bytes text);

/* A topic to publish to: text of at least one byte, without wildcards (4.7.1, 4.7.3). */
bool fleet_mqtt_is_topic(struct fleet_bytes topic);

/* A topic filter: `+` fills a level, `#` the last one (4.7.1). */
bool fleet_mqtt_is_filter(struct fleet_bytes filter);

#endif
