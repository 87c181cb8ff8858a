"""Every kernel, for `mvp` and `simd`, against numpy expressions written from docs/spec/numbers.md."""
