"""Few-shot learning: small tasks of classes that were never seen in training."""
