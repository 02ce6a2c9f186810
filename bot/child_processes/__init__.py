"""Programs that Hubbub starts: how they are confined, and how they end."""
