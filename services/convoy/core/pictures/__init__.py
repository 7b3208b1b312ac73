"""Pictures: bytes to pixels, pixels to a graph's input, and boxes and masks back again."""
