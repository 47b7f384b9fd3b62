"""What an engine reports when it starts, read from its log and held against a locked answer."""
