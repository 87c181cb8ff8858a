"""Everything that goes over MQTT."""
