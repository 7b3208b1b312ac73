"""What a caller can do with galleries and people, one use case a file."""
