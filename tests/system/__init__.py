"""Tests with a real broker and real processes."""

import signal

# A shell starts background jobs with SIGINT ignored, and children inherit that: an interrupt would be lost.
signal.signal(signal.SIGINT, signal.default_int_handler)
