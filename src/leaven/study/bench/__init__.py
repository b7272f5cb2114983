"""The bench room: recipes for the papers' tables, and their runner.

``suite`` reads recipes, ``cell`` is one training of one, ``runner`` runs them in processes of their own, ``book`` keeps
what they found, ``table`` makes rows of it, ``data`` has the data sets.
"""
