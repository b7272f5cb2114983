"""Taking items from a pool, and passing a pool through a network."""
