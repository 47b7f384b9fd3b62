"""The reserved words of the language, each with what it does."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "edition": ("Fixes the meaning of the plan for ever.", "edition 2026"),
    "import": ("Brings in what another plan or a catalog declares.", 'import "shared/models.mem" as models'),
    "let": ("Names a value that is known before solving.", "let budget = $40/h"),
    "require": ("A rule that every answer keeps.", 'require spare: chat.replicas >= 2 because "one node may fail"'),
    "prefer": ("A rule that an answer may break for its worth.", "prefer chat.weights == bf16 worth $150/month"),
    "minimize": ("What the answer is the least of.", "minimize cost then maximize headroom"),
    "maximize": ("What the answer is the most of.", "maximize quality then minimize cost"),
    "test": (
        "A plan with changes, and what is expected of it.",
        'test "rush" { chat.concurrency = 300; expect chat.gpus <= 4 }',
    ),
    "drop": ("Leaves a rule out of a test.", "drop spare"),
    "expect": ("What a test expects: a condition, or `infeasible`.", "expect infeasible by chat.tpot"),
    "in": ("Offers values to the solver; asks for membership in an expression.", "weights in {bf16, fp8}"),
    "where": ("Filters rows, or the workloads of a comprehension.", "gpu in any where memory >= 40 GiB"),
    "and": ("Both conditions.", "chat.gpus <= 4 and rag.gpus <= 4"),
    "or": ("At least one of the conditions.", "chat.gpus <= 4 or rag.gpus <= 4"),
    "not": ("The opposite of a condition.", "not chat.gpu == t4"),
    "if": ("One of two values, by a condition.", "if chat.gpus > 4 then $40/h else $20/h"),
    "else": ("The value of `if` where its condition is false.", "if chat.gpus > 4 then $40/h else $20/h"),
    "for": ("Goes over workloads in a comprehension.", "sum(w.cost for w in workloads)"),
    "per": ("Lets each layer choose for itself.", "weights in {bf16, int4} per layer"),
    "like": (
        "Copies a declaration and replaces what is stated anew, one level deep.",
        "inference rag like chat { context = 16Ki tokens }",
    ),
    "worth": ("What keeping a preference is worth, in money per time.", "worth $150/month"),
    "because": ("The reason for a rule; it is shown with it.", 'because "one node may fail"'),
    "then": (
        "The next part of an objective; the value of `if` where its condition holds.",
        "minimize cost then maximize headroom",
    ),
    "by": ("The rule a test expects to stand in the way.", "expect infeasible by chat.tpot"),
    "step": ("The step of a range.", "gpus in 8..64 step 8"),
    "any": ("All that a quantity can be; also true where one of several conditions is.", "gpu in any"),
    "true": ("A truth.", "tied = true"),
    "false": ("A truth.", "tied = false"),
}
"""What each word does, and an example."""
