"""Semi-supervised learning, and the supervised baseline."""
