"""Runs the app with no Azure: a vault emulator, storage, a Functions host and a demo. Not deployed."""
