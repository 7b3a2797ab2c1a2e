"""Tells an organisation's own programs what happened: signed, retried for days, replayed."""
