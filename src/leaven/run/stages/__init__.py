"""What is trained before a run's own method: stages, recipes of them, and where a network starts."""
