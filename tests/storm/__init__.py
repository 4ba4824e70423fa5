"""A storm of alerts on the whole stack: one restore, and everybody else is still served."""
