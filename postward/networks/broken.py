"""A database that cannot be used."""


class BrokenDatabase(ValueError):
    """The text says which file, where it can be said which line, and what is wrong."""
