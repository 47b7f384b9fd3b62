"""An inference or training block becomes a workload: what is given, what is offered, what is bounded."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from planner.catalog.reading.table import folded
from planner.catalog.records import Model
from planner.diagnostics import Span
from planner.language import synonyms, unmodelled
from planner.language.block import Block
from planner.language.choices import environment, many, one, spoken
from planner.language.completeness import check_interruptions, check_lengths, check_task, complete, doubts
from planner.language.declared.declare import base_of
from planner.language.defaults import filled
from planner.language.domain import check_domains
from planner.language.expressions.types import Env, Type, Typed
from planner.language.problem import Bound, Value, Workload
from planner.language.quantities.outcomes import OF_A_WHOLE
from planner.language.quantities.quantity import Quantity
from planner.language.schema import BY_KIND, PER_LAYER
from planner.language.scope import Scope, near, nearest, whole
from planner.syntax import tree

SETTINGS = ("=", "in")
ORDER = ("<=", "<", ">=", ">")
SHARES = dict.fromkeys(OF_A_WHOLE, Fraction(1)) | {"quality": Fraction(2)}
"""Outcomes that are shares, each with what none of them reaches: a bound from there on lacks its `%`.

A recovery above 100 % is measured now and then; one of 200 % is not.
"""


def body_of(declaration: tree.Declaration, scope: Scope) -> list[tree.Relation] | None:
    """Return a block's relations: those of its `like` base, replaced where it speaks itself; None after a finding."""
    if declaration.base is None:
        return list(declaration.body)
    base = base_of(declaration, scope)
    if base is None:
        if declaration.name not in scope.broken:
            _no_base(declaration, scope)
        return None
    own = {relation.target.text for relation in declaration.body}
    return [relation for relation in base.body if relation.target.text not in own] + list(declaration.body)


def _no_base(declaration: tree.Declaration, scope: Scope) -> None:
    assert declaration.base is not None
    name = scope.spelled(declaration.base) or "this"
    other = scope.declared.get(name)
    reason = f"`{name}` is a {other.kind}, not {declaration.kind}" if other else f"unknown {declaration.kind} `{name}`"
    alike = [key for key, item in scope.declared.items() if item.kind == declaration.kind and item is not declaration]
    article = "an" if declaration.kind[0] in "aeio" else "a"
    help = near(name, alike) or f"`like` copies {article} {declaration.kind} block of this plan"
    scope.error("E0301", reason, declaration.base.span, help=help)
    scope.broken.add(declaration.name)


def build_workload(declaration: tree.Declaration, scope: Scope) -> Workload | None:
    """Return a block as a workload, or None after findings."""
    before = len(scope.findings)
    relations = body_of(declaration, scope)
    block = Block(declaration.name, declaration.kind, environment(scope, fleet=False))
    unread = _read_model(block, relations or declaration.body)
    for relation in unread:
        _read_relation(block, relation)
    if relations is not None:
        complete(block, declaration)
    if block.model is None or any(finding.is_error for finding in scope.findings[before:]):
        return None
    check_lengths(block)
    check_interruptions(block)
    check_task(block)
    if {"traffic", "mix"} & block.spans.keys():
        from planner.language.mixes import check_traffic

        check_traffic(block)
    check_domains(block.domains, block.bounds, block.settings, scope)
    doubts(block)
    if any(finding.is_error for finding in scope.findings[before:]):
        return None
    sets = _sets(block)
    return Workload(
        name=declaration.name,
        kind=declaration.kind,
        model=block.model,
        given=filled(block.kind, block.given, sets),
        domains=block.domains,
        spans=block.spans,
        bounds=tuple(block.bounds),
        span=declaration.span,
        doc=declaration.doc,
        per_layer=frozenset(block.per_layer),
        written=block.written,
        draft=block.draft,
        sets=sets,
        copies=int(Fraction(str(block.given.get("copies", 1)))),
        traffic=block.traffic,
    )


def _sets(block: Block) -> dict[str, Value]:
    """Return what the framework or the engine of a workload takes of given quantities, where the plan names one that
    sets any."""
    catalog, sets = block.env.scope.catalog, {}
    if "framework" in block.given:
        sets = catalog.frameworks[str(block.given["framework"])].sets
    elif str(block.given.get("engine")) in catalog.engines:
        sets = catalog.engines[str(block.given["engine"])].sets
    return {name: value if isinstance(value, str | bool) else Fraction(str(value)) for name, value in sets.items()}


def _read_model(block: Block, relations: list[tree.Relation] | tuple[tree.Relation, ...]) -> list[tree.Relation]:
    """Read the model first, because `layers` and the like in other lines are its facts; return the other lines."""
    scope, rest = block.env.scope, []
    for relation in relations:
        if relation.target.text != "model":
            rest.append(relation)
        elif relation.operator != "=" or isinstance(relation.value, tree.SetOf | tree.AnyOf | tree.Filter):
            scope.error(
                "E0402",
                "`model` is given: it takes `=` and one model, or `in` and a set of them",
                relation.span,
                help='model = "owner/name", or model in {"owner/name", "owner/other"}',
            )
        elif _first_time(block, "model", relation):
            model = _named(relation.value, scope)
            block.model = model if isinstance(model, Model) else None
            block.written = _written(relation.value, block.model, scope)
        block.spans.setdefault("model", relation.span) if relation.target.text == "model" else None
    if block.model is not None:
        block.env = replace(block.env, facts=facts(block.model, block.spans["model"]))
    return rest


def _named(value: tree.Expression, scope: Scope) -> object:
    """Return the model that a name, a text or a call like `config("…")` means; the call is its id."""
    if not isinstance(value, tree.Call):
        return scope.find("model", value)
    from planner.language.declared.models import read

    paths = [item.text for item in value.arguments if isinstance(item, tree.String)]
    return read(f'{value.function}("{paths[0] if paths else ""}")', value, scope)


def _written(value: tree.Expression, model: Model | None, scope: Scope) -> str:
    """Return a model as a plan names it, in the catalog's own spelling; a declared one by the file that it was read
    from, where there is one."""
    word = scope.spelled(value)
    if model is None or word is None:
        return "" if model is None else model.id
    declared = scope.declared.get(word)
    if declared is not None and declared.kind == "model":
        call = declared.value
        if not isinstance(call, tree.Call):
            return word
        paths = [item.text for item in call.arguments if isinstance(item, tree.String)]
        return f'{call.function}("{paths[0]}")' if paths else word
    known, wanted = (model.id, *model.aliases), folded(word)
    same = [name for name in known if wanted in (folded(name), folded(name).rpartition("/")[2])]
    return same[0] if same else model.id


def facts(model: Model, span: Span) -> dict[str, Typed]:
    """Return what other lines of a block may read of its model: `layers`, `max_context`, `parameters` …"""
    known: dict[str, tuple[int | None, str | None]] = {
        "max_context": (model.max_context, "tokens"),
        "parameters": (model.params, "params"),
    }
    if model.architecture is not None:
        known["layers"] = (model.architecture.layers, None)
        known["hidden"] = (model.architecture.hidden, None)
        known["vocab"] = (model.architecture.vocab, None)
    return {
        name: Typed(tree.Number(Fraction(value), unit, str(value), span), Type("number", unit))
        for name, (value, unit) in known.items()
        if value is not None
    }


def _first_time(block: Block, name: str, relation: tree.Relation) -> bool:
    """Note that a quantity is set; a second time is a mistake."""
    if name in block.settings:
        block.env.scope.error(
            "E0302",
            f"`{name}` is set twice",
            relation.span,
            secondary=((block.settings[name][1], "first set here"),),
            help="`=` or `in` stands once; bounds may stand beside it",
        )
        return False
    block.settings[name] = (relation.operator, relation.span)
    return True


def _read_relation(block: Block, relation: tree.Relation) -> None:
    scope, name = block.env.scope, relation.target.text
    quantity = BY_KIND[block.kind].get(name)
    if quantity is None:
        other = next((kind for kind in BY_KIND if name in BY_KIND[kind]), None)
        reason = f"`{name}` belongs to {other}" if other else f"unknown setting `{name}` for {block.kind}"
        row = unmodelled.setting(name) if block.kind == "training" else None
        if row is not None:
            scope.error("E0405", row.reason, relation.target.span, help=row.way_out)
            return
        meant, note = synonyms.meant(name, block.kind)
        meant = meant or nearest(name, BY_KIND[block.kind]) or ""
        help = f"did you mean `{meant}`?" if meant else f"`planner explain {block.kind}` lists what it has"
        help += f" ({note})" if meant and note else ""
        scope.error("E0303", reason, relation.target.span, help=help)
        block.spans.setdefault(meant or name, relation.span)  # it is said, if in a wrong way
        return
    block.spans.setdefault(name, relation.span)
    if relation.per_layer and not _layered(block, quantity, relation):
        return
    operator = relation.operator
    if operator in SETTINGS and quantity.role != "outcome" and not _first_time(block, name, relation):
        return
    if operator == "in":
        _offer(block, quantity, relation)
    elif operator == "=" and quantity.role != "outcome":
        _fix(block, quantity, relation)
    elif quantity.role == "given":
        scope.error("E0402", f"`{name}` is given: it takes `=`", relation.span, help=f"{name} = …")
    else:
        _bound(block, quantity, relation)


def _layered(block: Block, quantity: Quantity, relation: tree.Relation) -> bool:
    scope = block.env.scope
    if quantity.name not in PER_LAYER:
        scope.error(
            "E0405", f"`{quantity.name}` is not chosen per layer", relation.span, help=f"only {', '.join(PER_LAYER)} is"
        )
        return False
    if relation.operator != "in":
        scope.error("E0402", "`per layer` goes with `in`", relation.span, help="weights in {bf16, int4} per layer")
        return False
    if block.model is not None and block.model.architecture is None:
        scope.error(
            "E0405",
            f"`{block.model.id}` has no known layers",
            relation.span,
            help="only its parameter count is known; leave out `per layer`",
        )
        return False
    block.per_layer.add(quantity.name)
    return True


def _offer(block: Block, quantity: Quantity, relation: tree.Relation) -> None:
    scope, name = block.env.scope, quantity.name
    if quantity.role != "decision":
        help = f"{name} = …" if quantity.role == "given" else f"bound it: {name} <= …"
        scope.error("E0402", f"`{name}` is {quantity.role}: it takes no set", relation.span, help=help)
        return
    values = many(quantity, relation.value, block.env)
    if values is not None and not values:
        scope.error("E0501", f"`{name}` is offered nothing", relation.value.span, help="name at least one value")
    elif values is not None:
        block.domains[name] = values


def _fix(block: Block, quantity: Quantity, relation: tree.Relation) -> None:
    if quantity.name == "traffic":
        from planner.language.traffic import read_traffic

        read_traffic(block, relation.value)
        return
    if quantity.name == "draft_model":
        _read_draft(block, relation.value)
        return
    if quantity.type == "words":
        words = _words(quantity, relation.value, block.env)
        if words is not None:
            block.given[quantity.name] = words
        return
    value = one(quantity, relation.value, block.env)
    if value is None:
        return
    if quantity.role == "decision":
        block.domains[quantity.name] = (value,)
    else:
        block.given[quantity.name] = value


def _read_draft(block: Block, value: tree.Expression) -> None:
    """Read the model that drafts, a shipped or a declared one, and how the plan names it."""
    model = _named(value, block.env.scope)
    if not isinstance(model, Model):
        return
    if model.architecture is None:
        message = f"`{model.id}` has no known layers, from which the cache and the time of a draft model follow"
        block.env.scope.error(
            "E0405", message, value.span, help='draft_model = config("config.json"), or a catalog model'
        )
        return
    block.draft, block.given["draft_model"] = model, _written(value, model, block.env.scope)


def _words(quantity: Quantity, node: tree.Expression, env: Env) -> str | None:
    """Return one word, or several in alphabetical order joined by commas: `k_proj,q_proj`."""
    from planner.language.names import word

    type_ = Type("word", words=quantity.name, quantity=quantity)
    items = node.items if isinstance(node, tree.SetOf) else (node,)
    if not items:
        env.scope.error("E0501", f"`{quantity.name}` is given nothing", node.span, help="name at least one")
        return None
    typed = [word(item, env, type_) for item in items]
    texts = [item.node.text for item in typed if item is not None and isinstance(item.node, tree.String)]
    return ",".join(sorted(set(texts))) if len(texts) == len(items) else None


def _bound(block: Block, quantity: Quantity, relation: tree.Relation) -> None:
    name, scope = quantity.name, block.env.scope
    written, unknown = _or_unknown(relation.value)
    if unknown and name != "quality":
        message = f"only `quality` may be unknown; `{name}` is bounded where it is known"
        scope.error("E0402", message, relation.value.span, help="leave out `or unknown`")
        return
    value = one(quantity, written, block.env, bounded=False)
    if value is None:
        return
    if relation.operator in ORDER and not isinstance(value, Fraction):
        scope.error("E0402", f"`{name}` has no order", relation.span, help="compare it with `=` or `!=`")
        return
    if isinstance(value, Fraction) and _never(quantity, relation.operator, value):
        limits = [
            f"at {word} {spoken(limit, quantity.unit)}"
            for word, limit in (("least", quantity.low), ("most", quantity.high))
            if limit is not None
        ]
        scope.error("E0403", f"`{name}` can never be that", relation.value.span, help=f"it is {' and '.join(limits)}")
        return
    if name in SHARES and isinstance(value, Fraction) and value > SHARES[name]:
        message = f"`{name}` is a share: {whole(value)} is {whole(value * 100)} %"
        scope.error("E0403", message, relation.value.span, help=f"write {whole(value)}%")
        return
    rule = f"{block.name}.{name}"
    block.bounds.append(Bound(rule, name, relation.operator, value, relation.span, relation.because, unknown))


def _or_unknown(node: tree.Expression) -> tuple[tree.Expression, bool]:
    """Return the value of a bound, and whether it ends with `or unknown`."""
    match node:
        case tree.Binary(operator="or", left=left, right=tree.Name(text="unknown")):
            return left, True
    return node, False


def _never(quantity: Quantity, operator: str, value: Fraction) -> bool:
    """Return whether no value of a quantity can keep a bound."""
    low, high = quantity.low, quantity.high
    if high is not None and ((operator in (">=", "=") and value > high) or (operator == ">" and value >= high)):
        return True
    return low is not None and ((operator in ("<=", "=") and value < low) or (operator == "<" and value <= low))
