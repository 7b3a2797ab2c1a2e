"""Time, identity of rows, errors, logs, metrics, loops: what every floor above may lean on."""
