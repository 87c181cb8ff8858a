"""The cases of `protocol/vectors`, one file for each of its files."""
