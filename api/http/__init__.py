"""Commands over HTTP: a request becomes a command, and what came of it becomes the answer."""
