"""The integer model that decides every plan: rows, dominance, goals, and its audit."""
