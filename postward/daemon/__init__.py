"""Daemons: start, stop, reload, log. This room wires the others together and judges nothing."""
