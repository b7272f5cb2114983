"""The run folder: everything about one run, and what is done with it."""
