"""The signer: holds the PKCS#11 session, re-checks all evidence by itself, and only then signs.
It imports `strongroom_protocol` and nothing else of ours.
"""
