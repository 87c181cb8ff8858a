#!/bin/sh
# fleet up --broker-reload: brings the controller's certificates, revocations and permissions to mosquitto.
#   reload.sh /var/lib/fleet/access
set -eu
install -d -o mosquitto -m 750 /etc/mosquitto/fleet
install -o mosquitto -m 640 "$1/ca.pem" "$1/server.pem" "$1/server.key" "$1/revoked.pem" "$1/acl" /etc/mosquitto/fleet/
systemctl reload mosquitto
