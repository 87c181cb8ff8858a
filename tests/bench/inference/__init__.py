"""Speed and size of inference, ours and of others, in one interleaved run."""
