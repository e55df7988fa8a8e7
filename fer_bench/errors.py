"""The one exception that stands for a user's mistake."""


class InputError(Exception):
    """Bad input from outside: the command line prints its message as one line and exits with code 2.

    The message says what is wrong, where (file, row, column, value) and what to do about it.
    """
