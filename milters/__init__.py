"""Door: the milter protocol (version 6, as Postfix 3.7 to 3.12 speaks it)."""
