"""Which objects a picture shows, and where."""
