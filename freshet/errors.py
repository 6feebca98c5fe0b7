"""The one error that a user is meant to see."""


class FreshetError(Exception):
    """Something that the user can put right. Its text is one sentence that says what to do."""
