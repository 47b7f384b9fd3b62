"""How a catalog file is read: every row with its place, held to its form, kept parsed, built when it is named."""
