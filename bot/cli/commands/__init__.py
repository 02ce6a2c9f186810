"""The commands of `hubbub`. Each imports what it needs when it runs."""
