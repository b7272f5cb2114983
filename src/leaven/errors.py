"""The error for what a user can cause and mend."""


class LeavenError(ValueError):
    """A mistake in the input: one sentence that names what, where, what was expected and what to do.

    It is a ``ValueError``, so that the estimators keep to scikit-learn's conventions. The command line
    prints its message and exits with code 2.
    """


class LeavenWarning(UserWarning):
    """Something was left out or done otherwise; the message says what."""
