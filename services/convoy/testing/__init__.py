"""For your own tests of code that uses Convoy: doubles and fixtures that need no server. Nothing that serves imports it."""
