"""What the audit log holds, its seals, and their verification."""
