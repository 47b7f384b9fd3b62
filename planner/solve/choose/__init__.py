"""The answer: the choice with its proof, alternatives, conflicts and remedies."""
