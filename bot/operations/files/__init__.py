"""The operations with files that are attached to messages, contexts and tasks."""
