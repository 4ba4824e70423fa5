"""What the app costs, measured: `python -m bench`. See docs/performance.md."""
