"""The phases, what is known of a request, the values of a vault, and the ports."""
