"""The families by name."""
import importlib

NAMES = ["qwen", "molmo", "nvila"]


def of(name):
    """The family's subclass of fast.Fast; each needs packages of its own, so only the one asked for is imported."""
    return getattr(importlib.import_module(name), name.capitalize())
