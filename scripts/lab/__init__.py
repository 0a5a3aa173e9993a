"""The lab: a private mail host on this machine, for `scripts/run`, the bench and the tests.

A Postfix, a DNS server and our daemons with their own files below one temporary directory, on
loopback only. Nothing of the machine's own configuration is touched.
"""
