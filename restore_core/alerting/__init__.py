"""From an alert to one restore, or to the reason why there is none."""
