"""The engine: the one loop that trains every method."""
