"""Every call of the API as a plan: which request goes where, and how to read its response. Nothing here connects."""
