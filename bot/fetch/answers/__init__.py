"""What GitHub's answers to reads mean for the mirror."""
