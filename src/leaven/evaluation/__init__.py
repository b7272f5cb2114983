"""How good a model is, with an interval, and the page that shows it."""
