"""State that outlives a message: greylist, counters, holds, and the journal of decisions.

This room knows its driver and the verbs of `postward.tools` and nothing of mail, rules or decisions.
"""
