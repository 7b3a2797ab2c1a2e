"""What people sign, the service builds and the signer checks: pure, no clock, no I/O.

Every module here is one capability. Nothing imports the service, nothing keeps state, and every
refusal leaves as a `ProtocolError` with a code and a sentence.
"""
