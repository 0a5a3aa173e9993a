"""Networks: whose an address is, by a database in a local file."""
