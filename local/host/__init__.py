"""A small Azure Functions host for a machine that has none.

It connects storage with the real Python worker library. The worker indexes and runs the app just as
it does on Azure; this package supplies the host's part: queue, timer and HTTP triggers, settings
and logs. The app runs unchanged.
"""
