"""The model contract at run time: a repository of folders, engines that run them, batches and the way through a model."""
