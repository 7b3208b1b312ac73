"""What every service shares, one idea a file."""
