"""Find, align, judge and embed faces."""
