"""Active learning: methods that say themselves which items they want labelled."""
