"""The way to the devices: the embedded broker, and the connection to whichever broker there is."""

from controller.delivery.access import Access
from controller.delivery.broker import Broker
from controller.delivery.link import Link

__all__ = ["Access", "Broker", "Link"]
