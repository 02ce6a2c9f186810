"""The operations with contexts, documents that agents share."""
