"""Runs the app without Azure: storage, a vault emulator, a Functions host, a demo.

Nothing in here is deployed.
"""
