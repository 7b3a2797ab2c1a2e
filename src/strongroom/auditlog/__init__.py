"""The append-only log: staged records, one sequencer, an RFC 6962 tree, signed checkpoints."""
