"""Recorded behaviour of other implementations, replayed here (docs/reference/conformance.md)."""
