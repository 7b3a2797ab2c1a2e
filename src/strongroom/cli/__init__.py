"""The command line: one file a command, named after it, each with `run(args) -> exit code`."""
