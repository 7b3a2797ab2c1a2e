"""The custody service: see README.md for the rooms and the floors they stand on."""
