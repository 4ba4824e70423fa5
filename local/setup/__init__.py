"""Prepares a fresh machine: `.venv` with every pinned package, and Azurite beside it.

It runs before anything is installed, so it uses the standard library alone. This file and
`__main__.py` are read by any Python 3: one that is too old gets a sentence, not a syntax error.
"""

# The Python versions on which the project has been run; pyproject.toml and README say the same.
OLDEST = (3, 11)
NEWEST = (3, 13)
