"""What the oracle raises."""


class DocumentError(ValueError):
    """A graph document, or the inputs given for it, does not follow ``docs/spec/graph.md``."""
