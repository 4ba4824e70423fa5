"""What happens to a request, step by step."""
