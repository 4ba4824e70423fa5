"""A small Azure Functions host for a machine that has none.

It stands between storage and the real Python worker library: the worker indexes and runs the app
just as it does on Azure, and this package supplies what the host around it would supply: queue,
timer and HTTP triggers, settings and logs. Nothing in the app knows about it.
"""
