"""The whole story on one machine: `convoy demo` starts everything, asks real questions and checks the answers."""
