"""One migration a room: NNNN_name.py runs the NNNN_name.sql beside it."""
