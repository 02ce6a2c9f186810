"""How the answers to reads are applied to the mirror."""
