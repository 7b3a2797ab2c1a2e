"""Follows one chain and books what touches us: each block exactly once, whatever crashes."""
