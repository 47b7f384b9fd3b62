"""Answers for people and machines: table, JSON, Markdown, HTML, and why."""
