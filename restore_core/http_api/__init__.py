"""Requests, cancels, alerts and questions by HTTP."""
