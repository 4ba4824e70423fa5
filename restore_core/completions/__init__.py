"""What is said at the end of a request, and where."""
