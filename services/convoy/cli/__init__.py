"""The command `convoy`, one group of commands a file."""
