"""A run that has been trained, and what is done with it: its model and method, files for other programs."""
