"""`python -m local.demo`: a share is damaged and restored, before your eyes and without Azure.

The demo is an outsider: it puts messages on the request queue and reads tables, completions and
files. It never calls the app, so that what it shows is what a sender of requests gets.
"""
