"""What each code means: the text of `planner explain CODE`."""

# ruff: noqa: E501
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code: its title, why it is one, an example that has it, and what to write instead."""

    title: str
    why: str
    example: str
    instead: str


_ROWS = (
    ("E0001", "missing file", "The named file does not exist.", "planner check nosuch.mem", "Check the path."),
    ("E0002", "not a text file", "Plans are UTF-8 text.", "planner check photo.png", "Save the file as UTF-8."),
    ("E0003", "file too large", "A plan has at most 10 MiB.", "planner check log.txt", "Name the plan itself."),
    ("E0004", "unreadable file", "It is a folder or may not be read.", "planner check plans/", "Name a file."),
    ("E0005", "unwritable file", "The file or its folder may not be written, or the disk is full; nothing is half-written.",
     "planner fmt plans/", "Make room, or change the permissions."),
    ("E0006", "no revision", "Git is missing, the plan lies in no repository, or the revision does not exist.",
     "planner diff chat.mem --against nosuch", "Name a branch, a tag or a commit; fetch it first in CI."),
    ("E0101", "unknown character", "A character means nothing, or a text is not closed.", "gpus = 2 ?", "gpus = 2"),
    ("E0102", "unexpected word", "A statement is unfinished or out of order.", "gpus = ", "gpus = 2"),
    ("E0103", "unclosed brace", "A brace or parenthesis has no partner.", "weights in {bf16", "weights in {bf16}"),
    ("E0104", "nested too deeply", "Nesting ends at 100 levels.", "((((…))))", "Name parts with `let`."),
    ("E0105", "bad number or unit", "The unit or scale is unknown.", "memory >= 40 GIB", "memory >= 40 GiB"),
    ("E0106", "cannot be laid out", "`fmt` checks its own work and found that the layout would change this plan; the file stays as it is.",
     "planner fmt odd.mem", "Write the statement on one line, its comments above it."),
    ("E0201", "missing import", "The imported file cannot be read.", 'import "nosuch.mem" as a', "Fix the path."),
    ("E0202", "import cycle", "Files import each other.", 'a.mem: import "b.mem" as b', "Move what they share."),
    ("E0203", "broken catalog", "A catalog does not follow its schema.", "memory: lots", "memory: 24 GiB"),
    ("E0204", "model file not described", "The file does not describe a model exactly; the message names the field.",
     'config("mine.json")', "Correct the field, or accept a guess with approximate = true."),
    ("E0301", "unknown name", "Nothing has this name.", "gpu = l5", "gpu = l4"),
    ("E0302", "duplicate name", "Two things have one name.", "let a = 1; let a = 2", "let a = 1; let b = 2"),
    ("E0303", "unknown quantity", "This kind has no such quantity.", "gpuz = 2", "gpus = 2"),
    ("E0304", "hidden id", "A declared name hides a shipped id.", "gpu l4 { }", "gpu our_l4 like l4 { }"),
    ("E0305", "ambiguous id", "Several records have this id.", "model = llama", "Write the whole id as a text."),
    ("E0401", "dimension mismatch", "Both sides need one dimension.", "memory >= 40 s", "memory >= 40 GiB"),
    ("E0402", "wrong kind of value", "The quantity takes other values.", "gpus = bf16", "gpus = 2"),
    ("E0403", "value out of range", "The value can never hold.", "quality >= 140%", "quality >= 99%"),
    ("E0404", "missing quantity", "A workload needs this to be given.", "inference a { }", 'model = "…"'),
    ("E0405", "unsupported here", "This cannot be used in this place.", "cost in 1..8", "cost <= $8/h"),
    ("E0501", "empty set", "A set offers nothing.", "weights in {}", "weights in {bf16, fp8}"),
    ("E0502", "empty range", "The low end is above the high end.", "gpus in 8..1", "gpus in 1..8"),
    ("E0503", "nothing left to choose", "The bounds exclude every value.", "gpus in 1..2; gpus > 4", "gpus in 1..8"),
    ("W0601", "narrower range", "The format holds smaller numbers than the model's native one, so values may overflow.",
     "activations = fp16", "activations = bf16"),
    ("W0602", "precision too low", "Gradients or the loss in this format lose small updates.",
     "gradients = fp8", "gradients = bf16"),
    ("W0603", "context too long", "The model was not made for this context.", "context = 1Mi tokens", "context = 8Ki tokens"),
    ("W0604", "unmeasured quality", "No measurement backs this quality.", "quality >= 99%", "Measure it, and declare a format."),
    ("W0605", "doubtful catalog row", "The row is old or its source is weak.", "gpu = t4", "Check the source; update the row."),
    ("W0606", "k or Ki", "`k` is 1000 and `Ki` 1024; models and engines count contexts in powers of two.",
     "context = 8k tokens", "context = 8Ki tokens"),
    ("W0607", "GB or GiB", "The figure on the box of a GPU is in GiB, whatever it says; in GB it is 7 % less than is meant.",
     "gpu in any where memory >= 24 GB", "gpu in any where memory >= 24 GiB"),
    ("W0608", "rule never binds", "Everything the plan offers keeps this rule, so it says nothing.",
     "gpus in 1..4; gpus <= 8", "Leave it out, or tighten it."),
    ("W0609", "rule never holds", "Nothing the plan offers keeps this rule, so the plan is infeasible.",
     "headroom >= 120%", "headroom >= 20%"),
    ("W0610", "unused name", "The name is declared or imported and never used.", "let budget = $4/h", "Use it, or leave it out."),
    ("W0611", "little headroom", "Less than 3 % of the usable memory is left: an engine's next version may not fit.",
     "headroom 1.2 %", "headroom >= 5%"),
    ("W0612", "service on spot only", "A service that is only rented on the spot market goes away when the provider says so.",
     "market = spot", "market in {on_demand, spot}, or a reason: # planner: allow W0612"),
    ("W0613", "unused allowance", "`# planner: allow` names a code that nothing there has, or an error, which cannot be allowed.",
     "gpus = 2  # planner: allow W0606", "Leave the comment out."),
    ("W0614", "no edition", "Without an edition a later version of the language may read the plan otherwise.",
     "inference chat { … }", "edition 2026"),
    ("E0701", "infeasible", "No candidate meets every rule.", "gpu = t4; quality >= 100%", "Relax a rule the report names."),
    ("E0702", "no proof within the limit", "Time ran out before the answer was proved.", "planner solve", "Raise the limit."),
    ("E0801", "lock missing", "The plan has no locked answer.", "planner check --locked", "Run planner solve."),
    ("E0802", "lock stale", "Plan or catalog changed after the lock.", "planner check", "Run planner solve; review."),
    ("E0803", "lock broken", "The lock file cannot be read.", "<<<<<<< HEAD", "Run planner solve."),
    ("E0804", "locked answer does not fit", "The locked answer breaks a rule now.", "planner check", "Run planner solve."),
    ("W0802", "catalog moved on", "The locked answer holds, but catalog rows the plan may choose from have changed: another answer may be better.",
     "planner check", "Run planner solve; review. With --locked this is E0802."),
    ("W0801", "no lock", "The answer is not written down yet.", "planner check", "Run planner solve; commit the lock."),
    ("E0901", "expectation does not hold", "A test expects what the answer is not.",
     'test "rush" { chat.concurrency = 300; expect fleet.cost <= $1/h }', "Change the plan, or what the test expects."),
    ("E0902", "test has no answer", "A test expects something of an answer, and with its overrides nothing fits.",
     'test "small" { chat.gpu = t4; expect chat.gpus == 1 }', "expect infeasible by chat.memory"),
    ("E0903", "test should be infeasible", "A test expects that nothing fits, by the rule it names, and it is not so.",
     'test "no T4" { chat.gpu = t4; expect infeasible by chat.tpot }', "Name the rule that the conflict has, or expect an answer."),
)  # fmt: skip

CODES = {code: Explanation(title, why, example, instead) for code, title, why, example, instead in _ROWS}
"""Every code a diagnostic may have."""
