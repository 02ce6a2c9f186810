"""Reading the code of repositories: files, folders and diffs."""
