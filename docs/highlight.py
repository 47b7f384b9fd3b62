"""Colours for the plan language in the pages."""

from __future__ import annotations

from pygments.lexer import RegexLexer, words
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Whitespace

STATEMENTS = ("edition", "import", "let", "require", "prefer", "minimize", "maximize", "test", "drop", "expect")
INSIDE = (
    "in",
    "where",
    "and",
    "or",
    "not",
    "if",
    "else",
    "for",
    "per",
    "like",
    "worth",
    "because",
    "then",
    "by",
    "step",
    "any",
)
KINDS = ("inference", "training", "model", "gpu", "offer", "format", "fleet")


class MemLexer(RegexLexer):
    """The plan language, `.mem`."""

    name = "planner"
    aliases = ["mem"]
    filenames = ["*.mem"]
    url = "https://planner.invalid/language"
    tokens = {
        "root": [
            (r"\s+", Whitespace),
            (r"##.*", String.Doc),
            (r"#.*", Comment.Single),
            (r'"[^"\n]*"', String),
            (words(STATEMENTS, r"\b", r"\b"), Keyword),
            (words(KINDS, r"\b", r"(?=\s+\w+[^\n]*\{|\s*\{)"), Keyword.Declaration),
            (words(INSIDE, r"\b", r"\b"), Operator.Word),
            (words(("true", "false"), r"\b", r"\b"), Keyword.Constant),
            (r"\$?\d[\d_]*(\.(?!\.)\d+)?(e\d+)?[\w%/]*", Number),
            (r"[a-z_][a-z0-9_]*(?=\s*(=|in\b|[<>!]=?|\{))", Name.Attribute),
            (r"\w+", Name),
            (r"==|!=|<=|>=|\.\.|[=<>+\-*/]", Operator),
            (r"[{}()\[\],;.:]", Punctuation),
            (r".", Name),
        ]
    }
