"""What a servicer is made of: the server's life, interceptors, statuses, streams, the tensor door."""
