"""Nodes: asking them, checking what they answer, and the ports through which blocks reach rooms."""
