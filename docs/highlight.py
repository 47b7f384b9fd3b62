"""Colours for the plan language in the pages."""

from __future__ import annotations

from pygments.lexer import RegexLexer, words
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Whitespace

from planner.syntax.tokens import INNER, STARTERS

TRUTHS = {"true", "false"}
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
            (words(sorted(STARTERS), r"\b", r"\b"), Keyword),
            (words(KINDS, r"\b", r"(?=\s+\w+[^\n]*\{|\s*\{)"), Keyword.Declaration),
            (words(sorted(INNER - TRUTHS), r"\b", r"\b"), Operator.Word),
            (words(sorted(TRUTHS), r"\b", r"\b"), Keyword.Constant),
            (r"\$?\d[\d_]*(\.(?!\.)\d+)?(e\d+)?[\w%/]*", Number),
            (r"[a-z_][a-z0-9_]*(?=\s*(=|in\b|[<>!]=?|\{))", Name.Attribute),
            (r"\w+", Name),
            (r"==|!=|<=|>=|\.\.|[=<>+\-*/]", Operator),
            (r"[{}()\[\],;.:]", Punctuation),
            (r".", Name),
        ]
    }
