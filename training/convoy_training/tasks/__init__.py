"""Tasks, one a file, all with the functions of `convoy_training.task.Task`."""
