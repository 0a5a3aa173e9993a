"""The bench: our daemons, their peers and the limits, on the same work, in turn."""
