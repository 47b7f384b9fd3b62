"""Tree to problem: names bound to catalog rows, units made one, every mistake of the file found at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fractions import Fraction
from typing import TYPE_CHECKING

from planner.catalog.records import Format, Gpu, Model, Offer
from planner.diagnostics import Diagnostic, Span
from planner.diagnostics.diagnostic import error, warning
from planner.language.evaluate import Mistake, evaluate, names
from planner.language.problem import (
    Bound,
    FleetBound,
    Goal,
    Measure,
    Preference,
    Problem,
    Rule,
    Value,
    Workload,
)
from planner.language.schema import BY_KIND, DECLARATIONS, WORKLOADS, Quantity
from planner.syntax import tree

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog

EDITIONS = (2026,)
MICRO = 1_000_000


def near(word: str, known: list[str]) -> str | None:
    """Return "did you mean …" for the nearest known word, or None."""
    found = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean `{found[0]}`?" if found else None


@dataclass(slots=True)
class _Scope:
    catalog: Catalog
    found: list[Diagnostic] = field(default_factory=list)
    lets: dict[str, Measure] = field(default_factory=dict)
    let_nodes: dict[str, tree.Let] = field(default_factory=dict)
    declared: dict[str, tree.Declaration] = field(default_factory=dict)
    gpus: dict[str, Gpu] = field(default_factory=dict)
    formats: dict[str, Format] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    offers: list[Offer] = field(default_factory=list)

    def add(self, mistake: Mistake) -> None:
        self.found.append(error(mistake.code, mistake.message, mistake.span, help=mistake.help))

    def name(self, node: tree.Name) -> Measure | None:
        """Look a `let` up, evaluating it on first use."""
        if node.text in self.lets:
            return self.lets[node.text]
        let = self.let_nodes.pop(node.text, None)
        if let is None:
            return None
        try:
            self.lets[node.text] = evaluate(let.value, self.name)
        except Mistake as mistake:
            self.add(mistake)
            self.lets[node.text] = Measure(Fraction(0))
        return self.lets[node.text]


def resolve(file: tree.File, catalog: Catalog, digest: str = "") -> tuple[Problem | None, tuple[Diagnostic, ...]]:
    """Return the problem a file states, or None with its errors."""
    scope = _Scope(catalog)
    _collect(file, scope)
    for kind, build in (("gpu", _gpu), ("format", _format), ("model", _model), ("offer", _offer)):
        for declaration in scope.declared.values():
            if declaration.kind == kind:
                build(declaration, scope)
    for item in list(scope.let_nodes.values()):
        scope.name(tree.Name((item.name,), item.name_span))
    workloads = []
    for declaration in scope.declared.values():
        if declaration.kind in WORKLOADS:
            workload = _workload(declaration, scope)
            if workload is not None:
                workloads.append(workload)
    kinds = {name: d.kind for name, d in scope.declared.items() if d.kind in WORKLOADS}
    fleet = _fleet(file, scope)
    rules, preferences, goals = _statements(file, scope, kinds)
    if not kinds and not scope.found:
        scope.found.append(
            error(
                "E0404",
                "the plan has no workload",
                Span(file.path, 0, 0, 1, 1),
                help="add an `inference NAME { … }` or a `training NAME { … }` block; `planner init` writes one",
            )
        )
    if any(finding.is_error for finding in scope.found):
        return None, tuple(scope.found)
    offers = (*catalog.offers.values(), *scope.offers)
    problem = Problem(
        file.path,
        tuple(sorted(workloads, key=lambda item: item.name)),
        tuple(sorted(rules, key=lambda item: item.name)),
        tuple(sorted(preferences, key=lambda item: item.name)),
        fleet,
        goals,
        {**catalog.gpus, **scope.gpus},
        {**catalog.formats, **scope.formats},
        offers,
        dict(scope.lets),
        digest,
    )
    return problem, tuple(scope.found)


def _collect(file: tree.File, scope: _Scope) -> None:
    seen: dict[str, Span] = {}
    for item in file.items:
        if isinstance(item, tree.Edition) and item.year not in EDITIONS:
            scope.found.append(error("E0403", f"edition {item.year} is not known", item.span, help="edition 2026"))
        if not isinstance(item, (tree.Declaration, tree.Let)):
            continue
        if item.name in seen:
            scope.found.append(
                error(
                    "E0302",
                    f"`{item.name}` is declared twice",
                    item.name_span,
                    secondary=((seen[item.name], "first declared here"),),
                )
            )
            continue
        seen[item.name] = item.name_span
        if isinstance(item, tree.Let):
            scope.let_nodes[item.name] = item
        elif item.kind not in DECLARATIONS:
            scope.found.append(
                error(
                    "E0301",
                    f"`{item.kind}` is no kind of declaration",
                    item.kind_span,
                    help=near(item.kind, sorted(DECLARATIONS)),
                )
            )
        else:
            scope.declared[item.name] = item


def _fields(declaration: tree.Declaration, scope: _Scope, known: set[str]) -> dict[str, tree.Relation]:
    out: dict[str, tree.Relation] = {}
    for relation in declaration.body:
        name = relation.target.text
        if name not in known:
            scope.found.append(
                error(
                    "E0303",
                    f"a {declaration.kind} has no `{name}`",
                    relation.target.span,
                    help=near(name, sorted(known)),
                )
            )
        elif relation.operator != "=":
            scope.found.append(error("E0402", f"`{name}` of a {declaration.kind} takes `=`", relation.span))
        elif name in out:
            scope.found.append(
                error(
                    "E0302",
                    f"`{name}` is set twice",
                    relation.target.span,
                    secondary=((out[name].target.span, "first set here"),),
                )
            )
        else:
            out[name] = relation
    return out


def _value(relation: tree.Relation, scope: _Scope, unit: str | None) -> Fraction | None:
    try:
        measure = evaluate(relation.value, scope.name)
    except Mistake as mistake:
        scope.add(mistake)
        return None
    if not isinstance(measure.value, Fraction):
        scope.found.append(error("E0402", f"`{relation.target.text}` takes a number", relation.value.span))
        return None
    if measure.unit not in (unit, None) or (measure.unit is None and unit in ("bytes", "s", "USD", "USD/h", "GB/s")):
        scope.found.append(
            error(
                "E0401",
                f"`{relation.target.text}` is in {unit or 'plain numbers'}, this in {measure.unit or 'plain numbers'}",
                relation.value.span,
            )
        )
        return None
    return measure.value


def _text(node: tree.Expression) -> str | None:
    if isinstance(node, tree.Name):
        return node.text
    return node.text if isinstance(node, tree.String) else None


def _find(kind: str, node: tree.Expression, scope: _Scope) -> Gpu | Format | Model | None:
    word = _text(node)
    if word is None:
        scope.found.append(error("E0402", f"a {kind} is a name", node.span))
        return None
    own: Mapping[str, Gpu | Format | Model]
    shipped: Gpu | Format | Model | tuple[Gpu | Format | Model, ...] | None
    if kind == "gpu":
        own, shipped, known = scope.gpus, scope.catalog.find_gpu(word), list(scope.catalog.gpus)
    elif kind == "format":
        own, shipped, known = scope.formats, scope.catalog.find_format(word), list(scope.catalog.formats)
    else:
        own, shipped, known = scope.models, scope.catalog.find_model(word), list(scope.catalog.models)
    if word in own:
        return own[word]
    if isinstance(shipped, tuple):
        choices = ", ".join(sorted(row.id for row in shipped))
        scope.found.append(error("E0305", f"`{word}` can be {choices}", node.span, help="name one of them"))
        return None
    if shipped is None:
        scope.found.append(error("E0301", f"no {kind} is called `{word}`", node.span, help=near(word, [*known, *own])))
    return shipped


def _hides(declaration: tree.Declaration, scope: _Scope, ids: object) -> bool:
    if isinstance(ids, (dict,)) and declaration.name in ids:
        scope.found.append(
            error("E0304", f"`{declaration.name}` hides a shipped {declaration.kind}", declaration.name_span)
        )
        return True
    return False


def _gpu(declaration: tree.Declaration, scope: _Scope) -> None:
    if _hides(declaration, scope, scope.catalog.gpus):
        return
    fields = _fields(declaration, scope, {"memory", "bandwidth", "power"})
    if declaration.base is None:
        scope.found.append(error("E0404", "a gpu needs a base", declaration.name_span, help="gpu NAME like l40s { … }"))
        return
    base = _find("gpu", declaration.base, scope)
    if not isinstance(base, Gpu):
        return
    memory, bandwidth = base.memory, base.bandwidth
    for name, relation in fields.items():
        number = _value(relation, scope, {"memory": "bytes", "bandwidth": "GB/s"}.get(name, "W"))
        if number is None:
            continue
        if number <= 0:
            scope.found.append(error("E0403", f"`{name}` is not above zero", relation.value.span))
        elif name == "memory":
            memory = int(number)
        elif name == "bandwidth":
            bandwidth = int(number * 10**9)
    scope.gpus[declaration.name] = replace(
        base, id=declaration.name, memory=memory, device_memory=memory, bandwidth=bandwidth, source="the plan"
    )


def _format(declaration: tree.Declaration, scope: _Scope) -> None:
    if _hides(declaration, scope, scope.catalog.formats):
        return
    if declaration.base is None:
        scope.found.append(error("E0404", "a format needs a base", declaration.name_span))
        return
    base = _find("format", declaration.base, scope)
    fields = _fields(declaration, scope, {"bits"})
    if not isinstance(base, Format):
        return
    bits = _value(fields["bits"], scope, None) if "bits" in fields else base.bits
    scope.formats[declaration.name] = replace(base, id=declaration.name, bits=bits or base.bits, source="the plan")


def _model(declaration: tree.Declaration, scope: _Scope) -> None:
    if declaration.value is not None:
        scope.found.append(error("E0405", "reading a config file is not supported yet", declaration.value.span))
        return
    fields = _fields(declaration, scope, {"parameters", "vocab", "native_format"})
    base: Model | None = None
    if declaration.base is not None:
        found = _find("model", declaration.base, scope)
        if not isinstance(found, Model):
            return
        base = found
    elif "parameters" not in fields:
        scope.found.append(
            error(
                "E0404",
                "a model needs `parameters` or a base",
                declaration.name_span,
                help="parameters = 13B",
            )
        )
        return
    params = _value(fields["parameters"], scope, "params") if "parameters" in fields else None
    if params is not None and params <= 0:
        scope.found.append(error("E0403", "`parameters` is not above zero", fields["parameters"].value.span))
        return
    native = base.native_format if base else "bf16"
    if "native_format" in fields:
        row = _find("format", fields["native_format"].value, scope)
        native = row.id if isinstance(row, Format) else native
    if base is None:
        count = int(params or 0)
        scope.models[declaration.name] = Model(
            declaration.name, count, count, native, None, "", "", None, "the plan", "the plan"
        )
        return
    architecture, count = base.architecture, base.params
    if "vocab" in fields and architecture is not None:
        vocab = int(_value(fields["vocab"], scope, None) or architecture.vocab)
        tables = 1 if architecture.tied else 2
        count += (vocab - architecture.vocab) * architecture.hidden * tables
        architecture = replace(architecture, vocab=vocab)
    scope.models[declaration.name] = replace(
        base,
        id=declaration.name,
        architecture=architecture,
        params=count,
        native_format=native,
        source="the plan",
    )


def _offer(declaration: tree.Declaration, scope: _Scope) -> None:
    fields = _fields(declaration, scope, {"gpu", "gpus", "price", "available"})
    for needed in ("gpu", "gpus", "price"):
        if needed not in fields:
            scope.found.append(error("E0404", f"an offer needs `{needed}`", declaration.name_span))
            return
    gpu = _find("gpu", fields["gpu"].value, scope)
    gpus = _value(fields["gpus"], scope, None)
    price = _value(fields["price"], scope, "USD/h")
    available = _value(fields["available"], scope, None) if "available" in fields else None
    if price is not None and price < 0:
        scope.found.append(error("E0403", "a price is not below zero", fields["price"].value.span))
        return
    if not isinstance(gpu, Gpu) or gpus is None or price is None:
        return
    if gpus < 1:
        scope.found.append(error("E0403", "an offer has at least one GPU", fields["gpus"].value.span))
        return
    scope.offers.append(
        Offer(
            declaration.name,
            "own",
            declaration.name,
            "own",
            gpu.id,
            int(gpus),
            round(price * MICRO),
            None,
            "instance",
            False,
            "",
            "the plan",
            available=None if available is None else int(available),
        )
    )


def _words(quantity: Quantity, scope: _Scope) -> list[str]:
    """Return everything a word-like quantity can be."""
    match quantity.type:
        case "word":
            return list(quantity.words)
        case "gpu":
            return [*scope.catalog.gpus, *scope.gpus]
        case "format":
            rows = {**scope.catalog.formats, **scope.formats}
            return [row.id for row in rows.values() if quantity.name in row.roles]
        case "offer":
            return [*scope.catalog.offers, *(offer.id for offer in scope.offers)]
    return []


def _one(quantity: Quantity, node: tree.Expression, scope: _Scope) -> Value | None:
    """Return one value of a quantity from an expression, or None with a finding."""
    word = _text(node)
    if quantity.type in ("gpu", "format"):
        if word is None:
            scope.found.append(error("E0402", f"`{quantity.name}` takes a {quantity.type}", node.span))
            return None
        row = _find(quantity.type, node, scope)
        if isinstance(row, Format) and quantity.name not in row.roles:
            scope.found.append(
                error(
                    "E0402",
                    f"`{row.id}` is no format for {quantity.name}",
                    node.span,
                    help="it can be " + ", ".join(_words(quantity, scope)),
                )
            )
            return None
        return row.id if row else None
    if quantity.type in ("word", "offer", "text"):
        known = _words(quantity, scope)
        if word is None or (known and word not in known):
            said = word if word is not None else "this"
            scope.found.append(
                error(
                    "E0402" if word is None else "E0301",
                    f"`{quantity.name}` cannot be `{said}`",
                    node.span,
                    help=near(word or "", known) or (f"one of {', '.join(known)}" if len(known) < 12 else None),
                )
            )
            return None
        return word
    relation = tree.Relation(tree.Name((quantity.name,), node.span), "=", node, False, None, node.span)
    number = _value(relation, scope, quantity.unit)
    if number is None:
        return None
    below = quantity.low is not None and number < quantity.low
    above = quantity.high is not None and number > quantity.high
    if below or above:
        limit = f"at least {quantity.low}" if below else f"at most {quantity.high}"
        scope.found.append(error("E0403", f"`{quantity.name}` is {limit}", node.span))
        return None
    return number


def _many(quantity: Quantity, node: tree.Expression, scope: _Scope) -> tuple[Value, ...]:
    """Return the values a set, range, filter or `any` offers."""
    match node:
        case tree.SetOf():
            if not node.items:
                scope.found.append(
                    error(
                        "E0501",
                        f"`{quantity.name}` is offered nothing",
                        node.span,
                        help="name at least one value",
                    )
                )
            values = [value for item in node.items for value in _many(quantity, item, scope)]
            return tuple(dict.fromkeys(values))
        case tree.Range():
            low, high = _one(quantity, node.low, scope), _one(quantity, node.high, scope)
            step = evaluate(node.step, scope.name).value if node.step is not None else Fraction(1)
            if not (isinstance(low, Fraction) and isinstance(high, Fraction) and isinstance(step, Fraction)):
                return ()
            if high < low or step <= 0:
                scope.found.append(
                    error("E0502", "the range is empty", node.span, help=f"{high}..{low}" if step > 0 else None)
                )
                return ()
            if (high - low) / step > 10_000:
                scope.found.append(error("E0403", "the range has more than 10,000 values", node.span))
                return ()
            return tuple(low + step * index for index in range(int((high - low) // step) + 1))
        case tree.AnyOf():
            return tuple(_words(quantity, scope))
        case tree.Filter():
            return _filtered(quantity, node, scope)
    one = _one(quantity, node, scope)
    return () if one is None else (one,)


def _filtered(quantity: Quantity, node: tree.Filter, scope: _Scope) -> tuple[Value, ...]:
    kept: list[Value] = []
    words = frozenset({*scope.catalog.formats})
    for value in _many(quantity, node.source, scope):
        values: dict[str, Measure] = {"id": Measure(value)}
        if quantity.type == "gpu":
            row = scope.gpus.get(str(value)) or scope.catalog.gpus[str(value)]
            values |= {
                "memory": Measure(Fraction(row.memory), "bytes"),
                "vendor": Measure(row.vendor),
                "bandwidth": Measure(Fraction(row.bandwidth, 10**9), "GB/s"),
                "power": Measure(Fraction(row.power_w), "W"),
                "confidence": Measure(row.confidence),
                "release_year": Measure(Fraction(row.release_year)),
            }
            words |= {row.vendor, row.confidence, "nvidia", "amd", "intel", "google", "aws", "apple"}
        elif quantity.type == "format":
            fmt = scope.formats.get(str(value)) or scope.catalog.formats[str(value)]
            values |= {"bits": Measure(fmt.bits)}

        def find(name: tree.Name, values: dict[str, Measure] = values, words: frozenset[str] = words) -> Measure | None:
            found = values.get(name.text) or scope.name(name)
            return found or (Measure(name.text) if name.text in words else None)

        try:
            if evaluate(node.condition, find).value:
                kept.append(value)
        except Mistake as mistake:
            scope.add(mistake)
            return ()
    if not kept:
        scope.found.append(error("E0503", f"nothing is left for `{quantity.name}`", node.span))
    return tuple(kept)


def _body(declaration: tree.Declaration, scope: _Scope) -> list[tree.Relation]:
    """Return the relations of a workload, those of its `like` base replaced where it speaks itself."""
    if declaration.base is None:
        return list(declaration.body)
    name = _text(declaration.base)
    base = scope.declared.get(name or "")
    if base is None or base.kind != declaration.kind:
        scope.found.append(
            error(
                "E0301",
                f"no {declaration.kind} is called `{name}`",
                declaration.base.span,
                help=near(name or "", list(scope.declared)),
            )
        )
        return list(declaration.body)
    own = {relation.target.text for relation in declaration.body}
    return [relation for relation in base.body if relation.target.text not in own] + list(declaration.body)


def _workload(declaration: tree.Declaration, scope: _Scope) -> Workload | None:
    table = BY_KIND[declaration.kind]
    before = len(scope.found)
    given: dict[str, Value] = {}
    domains: dict[str, tuple[Value, ...]] = {}
    spans: dict[str, Span] = {}
    bounds: list[Bound] = []
    model: Model | None = None
    for relation in _body(declaration, scope):
        name = relation.target.text
        quantity = table.get(name)
        if quantity is None:
            other = next((kind for kind in BY_KIND if name in BY_KIND[kind]), None)
            reason = f"`{name}` belongs to {other}" if other else f"`{name}` is no quantity of {declaration.kind}"
            scope.found.append(error("E0303", reason, relation.target.span, help=near(name, list(table))))
            continue
        if name in spans and relation.operator in ("=", "in") and name in {*given, *domains}:
            scope.found.append(
                error(
                    "E0302",
                    f"`{name}` is set twice",
                    relation.span,
                    secondary=((spans[name], "first set here"),),
                )
            )
            continue
        spans.setdefault(name, relation.span)
        if quantity.type == "model":
            row = _find("model", relation.value, scope) if relation.operator == "=" else None
            model = row if isinstance(row, Model) else None
            if relation.operator != "=":
                scope.found.append(error("E0402", "`model` takes `=`", relation.span))
            continue
        if relation.per_layer:
            scope.found.append(
                error("E0405", "formats per layer are not chosen yet", relation.span, help="leave out `per layer`")
            )
        if name == "demand":
            scope.found.append(
                error("E0405", "`demand` is not planned for yet", relation.span, help="say `replicas` and `throughput`")
            )
        try:
            _relation(declaration.name, quantity, relation, scope, given, domains, bounds)
        except Mistake as mistake:
            scope.add(mistake)
    needed = ("context", "concurrency") if declaration.kind == "inference" else ("sequence",)
    for name in needed:
        if name not in spans and (model is None or model.architecture is not None):
            scope.found.append(
                error(
                    "E0404",
                    f"`{declaration.name}` does not say `{name}`",
                    declaration.name_span,
                    help=f"{name} = {table[name].doc.lower()}",
                )
            )
    if model is None and "model" not in spans:
        scope.found.append(
            error(
                "E0404",
                f"`{declaration.name}` does not say `model`",
                declaration.name_span,
                help='model = "meta-llama/Llama-3.1-8B"',
            )
        )
    prompt, output, context = given.get("prompt"), given.get("output"), given.get("context")
    if (
        isinstance(output, Fraction)
        and isinstance(context, Fraction)
        and (prompt if isinstance(prompt, Fraction) else Fraction(0)) + output > context
    ):
        scope.found.append(
            error(
                "E0403",
                "prompt and output are longer than the context",
                spans["output"],
                secondary=((spans["context"], f"{context} tokens"),),
            )
        )
    if model is None or any(finding.is_error for finding in scope.found[before:]):
        return None
    if isinstance(context, Fraction) and model.max_context and context > model.max_context:
        scope.found.append(
            warning("W0603", f"{context} tokens are beyond the model's {model.max_context}", spans["context"])
        )
    if model.native_format == "bf16" and domains.get("weights") == ("fp16",):
        scope.found.append(
            warning(
                "W0601",
                "a bf16 model in fp16: values above 65504 overflow",
                spans["weights"],
                help="weights = bf16",
            )
        )
    for name in ("gradient_precision", "loss_precision"):
        if given.get(name) == "fp16" or (name == "loss_precision" and given.get(name) == "bf16"):
            scope.found.append(
                warning("W0602", f"backpropagation is sensitive to {given[name]} here", spans[name], help="fp32")
            )
    return Workload(
        declaration.name,
        declaration.kind,
        model,
        given,
        domains,
        spans,
        tuple(bounds),
        declaration.span,
        declaration.doc,
    )


def _relation(
    block: str,
    quantity: Quantity,
    relation: tree.Relation,
    scope: _Scope,
    given: dict[str, Value],
    domains: dict[str, tuple[Value, ...]],
    bounds: list[Bound],
) -> None:
    name = quantity.name
    if relation.operator == "in":
        if quantity.role != "decision":
            scope.found.append(error("E0402", f"`{name}` is {quantity.role}: it takes no set", relation.span))
            return
        values = _many(quantity, relation.value, scope)
        if values:
            domains[name] = values
        return
    if relation.operator == "=" and quantity.role == "decision":
        value = _one(quantity, relation.value, scope)
        if value is not None:
            domains[name] = (value,)
        return
    if relation.operator == "=" and quantity.role == "given":
        value = _one(quantity, relation.value, scope)
        if value is not None:
            given[name] = value
        return
    if quantity.role == "given":
        scope.found.append(error("E0402", f"`{name}` is given: it takes `=`", relation.span))
        return
    value = _one(replace(quantity, low=None, high=None), relation.value, scope)
    if value is None:
        return
    if relation.operator not in ("=", "!=") and not isinstance(value, Fraction):
        scope.found.append(error("E0402", f"`{name}` has no order", relation.span))
        return
    bounds.append(Bound(f"{block}.{name}", name, relation.operator, value, relation.span, relation.because))


def _fleet(file: tree.File, scope: _Scope) -> tuple[FleetBound, ...]:
    out: list[FleetBound] = []
    for item in file.items:
        if not isinstance(item, tree.Declaration) or item.kind != "fleet":
            continue
        for relation in item.body:
            parts = relation.target.parts
            gpu: str | None = None
            if parts[0] == "available" and len(parts) == 2:
                row = _find("gpu", tree.Name((parts[1],), relation.target.span), scope)
                gpu = row.id if isinstance(row, Gpu) else None
            elif parts not in (("cost",), ("gpus",)):
                scope.found.append(
                    error(
                        "E0303",
                        f"a fleet has no `{relation.target.text}`",
                        relation.target.span,
                        help="cost, gpus, available.GPU",
                    )
                )
                continue
            if relation.operator not in ("<=", "<"):
                scope.found.append(error("E0402", "a fleet bound is `<=`", relation.span))
                continue
            value = _value(relation, scope, "USD/h" if parts[0] == "cost" else None)
            if value is not None:
                rule = f"fleet.{relation.target.text}"
                out.append(FleetBound(rule, parts[0], gpu, relation.operator, value, relation.span))
    return tuple(out)


GOALS = (
    "cost",
    "gpus",
    "headroom",
    "quality",
    "tpot",
    "ttft",
    "throughput",
    "duration",
    "total_cost",
    "step_time",
    "memory",
    "power",
    "max_concurrency",
    "max_context",
    "kv_tokens",
)


def _statements(
    file: tree.File, scope: _Scope, kinds: dict[str, str]
) -> tuple[list[Rule], list[Preference], tuple[Goal, ...]]:
    rules: list[Rule] = []
    preferences: list[Preference] = []
    goals: tuple[Goal, ...] = ()
    objective: tree.Optimize | None = None
    for item in file.items:
        match item:
            case tree.Require():
                if _check_names(item.condition, scope, kinds):
                    rules.append(Rule(item.name or f"rule_{len(rules) + 1}", item.condition, item.span, item.because))
            case tree.Prefer():
                if not _check_names(item.condition, scope, kinds):
                    continue
                try:
                    worth = evaluate(item.worth, scope.name)
                except Mistake as mistake:
                    scope.add(mistake)
                    continue
                if worth.unit != "USD/h" or not isinstance(worth.value, Fraction) or worth.value < 0:
                    scope.found.append(
                        error("E0401", "worth is money per time", item.worth.span, help="worth $150/month")
                    )
                    continue
                name = item.name or f"wish_{len(preferences) + 1}"
                preferences.append(Preference(name, item.condition, round(worth.value * MICRO), item.span))
            case tree.Optimize():
                if objective is not None:
                    scope.found.append(
                        error(
                            "E0302",
                            "the objective is stated twice",
                            item.span,
                            secondary=((objective.span, "first stated here"),),
                            help="join them with `then`",
                        )
                    )
                    continue
                objective = item
                parts: list[Goal] = []
                for part in item.parts:
                    word = _text(part.value)
                    if word not in GOALS:
                        scope.found.append(
                            error(
                                "E0303",
                                f"`{word or 'this'}` cannot be an objective",
                                part.span,
                                help=near(word or "", list(GOALS)),
                            )
                        )
                    else:
                        parts.append(Goal(str(word), part.direction, part.span))
                goals = tuple(parts)
            case _:
                pass
    return rules, preferences, goals or (Goal("cost", "minimize", None),)


def _check_names(node: tree.Expression, scope: _Scope, kinds: dict[str, str]) -> bool:
    good = True
    spoken = {name.parts[0] for name in names(node) if name.parts[0] in kinds}
    if len(spoken) > 1 or (not spoken and not names(node)):
        scope.found.append(
            error(
                "E0405",
                "a rule speaks of one workload",
                node.span,
                help="state one rule for each workload; a fleet's limits go into `fleet { … }`",
            )
        )
        return False
    for name in names(node):
        if name.parts[0] in kinds and len(name.parts) == 2:
            table = BY_KIND[kinds[name.parts[0]]]
            if name.parts[1] not in table:
                scope.found.append(
                    error(
                        "E0303",
                        f"`{name.parts[0]}` has no `{name.parts[1]}`",
                        name.span,
                        help=near(name.parts[1], list(table)),
                    )
                )
                good = False
            continue
        if scope.name(name) is not None or name.text in _all_words(scope):
            continue
        scope.found.append(
            error("E0301", f"`{name.text}` is not known here", name.span, help=near(name.text, list(kinds)))
        )
        good = False
    return good


def _all_words(scope: _Scope) -> set[str]:
    words = {*scope.catalog.gpus, *scope.gpus, *scope.catalog.formats, *scope.formats}
    for table in BY_KIND.values():
        for row in table.values():
            words |= set(row.words)
    return words
