"""Every call of the API as a plan: which request goes where, and how its response is read. No channel, no waiting."""
