"""Look-ups in the DNS: one resolver and one cache for the whole process."""
