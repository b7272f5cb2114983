"""leaven: a few labels raise the whole batch."""

__version__ = "0.1.0"
