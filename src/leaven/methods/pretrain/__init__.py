"""Learning features without labels, for other methods to start from."""
