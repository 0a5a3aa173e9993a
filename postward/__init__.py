"""Postward: what is true of a mail, whichever door of Postfix it came by."""

__version__ = "0.1.0"
