"""Learners without a loop: closed forms, or fits of a moment, on features as they are."""
