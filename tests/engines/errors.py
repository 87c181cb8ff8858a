"""Why an engine gave no answers."""


class HostError(Exception):
    """An engine cannot run here, or gave up; the message is its own."""
