"""One standard each, worked out once a message, only if somebody needs it."""
