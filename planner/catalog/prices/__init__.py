"""Price lists as providers and other tools publish them: read, compared and taken over."""
