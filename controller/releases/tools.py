"""Whose versions decide what a build contains."""

TOOLS = ("ziglang", "onnx", "onnxruntime", "numpy", "wasmtime")
"""Packages: toolchain, model reader, calibration, arithmetic, golden runs."""
