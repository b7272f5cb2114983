"""The labelling page: its items, the session behind it, and the worker that trains beside it."""
