"""A real unbound with its cache in front of a real nsd and of servers that lie."""
