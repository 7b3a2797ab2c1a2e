"""The auditor's verifier: reads an export bundle offline and says what it proves.

Nothing here imports the service: whoever distrusts the service can read these few files alone.
"""
