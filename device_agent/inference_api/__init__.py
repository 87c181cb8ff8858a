"""Inference from outside: Open Inference Protocol v2 over HTTP, and CBOR over MQTT."""
