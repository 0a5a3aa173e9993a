"""DNS lists (RFC 5782): who is on one, whether the list itself can be trusted, and what it was good for."""
