"""What is done about held domains beside the mail: evidence, reminders, deadlines (THREATS D6, D7)."""
