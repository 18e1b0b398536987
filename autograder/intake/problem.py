"""How a submission that cannot be read says so."""


class BrokenSubmission(ValueError):
    """A submission that cannot be read, in a sentence that its author can understand."""
