"""Builds the zip file that Azure runs, and looks into one.

The package is made here and not by Azure's remote build, which has been seen to take another
Python than the app's and a pip of its own. Everything that the package is made of is in the
commit: the app's files, and the lock that names each wheel by its hash.
"""
