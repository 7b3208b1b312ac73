"""The model contract at run time: repository, engines, batches, and the way of a picture through a model."""
