"""The bench room: recipes for the papers' tables.

``suite`` reads recipes, ``cell`` is one training of one (a trial, see ``leaven.study.executor``), ``table`` makes rows
of what came of them, ``data`` has the data sets.
"""
