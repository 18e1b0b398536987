"""Bad input: what a command line or a configuration got wrong, told in one line that says what to do."""


class BadInput(Exception):
    """The message is one line, meant for the person who typed the command: what is wrong and what to do."""
