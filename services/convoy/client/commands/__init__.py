"""The commands of `convoy`, a file for each group."""
