"""How trainers call the settings that an answer was proved with; one file a target."""
