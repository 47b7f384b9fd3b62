"""How serving engines call the settings that an answer was proved with; one file an engine."""
