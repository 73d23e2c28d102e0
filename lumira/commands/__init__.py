"""The parts of the `lumira` command: a module for each group of commands."""
