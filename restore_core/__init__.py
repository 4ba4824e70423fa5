"""The product: everything that a restore request meets between the queue and Azure Backup."""

__version__ = "0.2.0"
"""The one place of the version: the deployed package holds this module and no pyproject.toml.

`pyproject.toml` repeats it for tools that only read that file; a test compares the two.
"""
