"""Rules: YAML, order and consequence. Knows nothing of bytes, sockets or Postfix's words."""
