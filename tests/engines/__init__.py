"""The same modules in four engines: each must answer as the oracle does, bit for bit.

    cases.py      models of every kind
    making.py     each compiled for both targets, with inputs and the oracle's answers
    jobs.py       the two files that an engine reads and writes
    hosts.py      wasmtime in this process, Node, headless Chromium, wasmtime for aarch64 under qemu

`test_engines.py` runs a few cases; `scripts/prove engines` all, with 300 random graphs and ONNX's own suite.
"""
