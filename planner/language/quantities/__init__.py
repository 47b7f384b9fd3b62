"""The rows of the one table of quantities, by who sets them; planner/language/schema.py is the table."""
