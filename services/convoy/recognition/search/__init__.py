"""Who is nearest: what a process holds of each gallery, kept up to date by its stream, and how it is searched."""
