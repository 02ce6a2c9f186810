"""Tasks that Hubbub runs with the model of an OpenAI-compatible endpoint."""
