"""The first day of one organisation: from a genesis to a proven export, as its own people see it.

A separate program: it knows the custody API (through `strongroom_client`), a node's RPC and the
people's own keys, and imports nothing of the service. Each step checks by itself what it can.
"""
