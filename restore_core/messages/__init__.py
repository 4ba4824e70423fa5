"""From the bytes of a message to a request, or to every problem that it has."""
