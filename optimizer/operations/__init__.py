"""One use case a file: the story of a request, told once, for every door."""
