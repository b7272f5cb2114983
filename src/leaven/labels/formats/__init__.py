"""Files of labels: what other programs write and read, to and from events."""
