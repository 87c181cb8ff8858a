#!/bin/sh
# fleet up --broker-reload: brings the controller's certificates and users to NATS.
#   reload.sh /var/lib/fleet/access
set -eu
install -d -o nats -m 750 /etc/nats/fleet
install -o nats -m 640 "$1/ca.pem" "$1/server.pem" "$1/server.key" "$1/nats-users.conf" /etc/nats/fleet/
systemctl reload nats
