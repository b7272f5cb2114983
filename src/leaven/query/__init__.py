"""Active learning: which items to label next, and what those labels would be worth."""
