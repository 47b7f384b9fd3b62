"""What anything with a name is, in lines: codes, kinds, quantities and their words, units, and rows of the catalogs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from planner.language.quantities.outcomes import MORE_IS_BETTER
from planner.report import figures
from planner.report.labels import LABELS

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog
    from planner.catalog.programs.engines import Engine
    from planner.catalog.programs.frameworks import Framework
    from planner.catalog.records import Format, Gpu, Model, Offer
    from planner.language.quantities.quantity import Quantity

SHOWN = 12
"""So many rows of a list are named; the rest is counted."""


def lines_for(what: str, catalog: Catalog) -> list[str]:
    """Return the lines that explain something by its name; none where nothing has it."""
    from planner.diagnostics.codes import CODES
    from planner.language.declared.fields import FIELDS, FIELDS_BY_KIND
    from planner.language.schema import BY_KIND, QUANTITIES

    code = CODES.get(what.upper())
    if code:
        rows: dict[str, object] = {"why": code.why, "example": code.example, "instead": code.instead}
        return _lines(f"{what.upper()}: {code.title}", rows)
    lines = _kind(what) if what in BY_KIND else []
    if what in FIELDS_BY_KIND:
        lines += [f"{what}: a declaration. What it can say:"]
        width = 2 + max(map(len, (row.name for row in FIELDS_BY_KIND[what].values())))
        lines += [f"    {row.name:<{width}}{row.doc}" for row in FIELDS_BY_KIND[what].values() if row.name != "id"]
    name = what.rpartition(".")[2] if catalog.find_model(what) is None else what
    lines += [line for row in (*QUANTITIES, *FIELDS) if row.name == name for line in quantity(row, catalog)]
    lines += _word(what) + unit(what)
    lines += _rows(what, "formats", catalog.find_format(what), catalog)
    lines += _rows(what, "GPUs", catalog.find_gpu(what), catalog)
    lines += _engine(catalog.engines[what]) if what in catalog.engines else []
    lines += _rows(what, "frameworks", catalog.find_framework(what), catalog)
    lines += words(what, QUANTITIES)
    lines += [f"{what}: a label of answers. {LABELS[what]}", *_rented(what, catalog)] if what in LABELS else []
    lines += [] if lines else _other(what, catalog)
    return lines or _rows(what, "models", catalog.find_model(what), catalog) or _rented(what, catalog)


def _other(what: str, catalog: Catalog) -> list[str]:
    """Return the lines of the quantities that another name of the field means."""
    from planner.language.schema import BY_KIND
    from planner.language.synonyms import meant

    names = {kind: meant(what, kind) for kind in BY_KIND}
    out = [
        f"{what}: `{name}` of {kind}" + (f" ({note})" if note else "") for kind, (name, note) in names.items() if name
    ]
    for name in dict.fromkeys(name for name, _ in names.values() if name):
        out += lines_for(name, catalog)
    return out


def near(what: str, catalog: Catalog) -> str | None:
    """Return the name nearest to one that nothing has."""
    from difflib import get_close_matches

    from planner.diagnostics.codes import CODES
    from planner.language.declared.fields import FIELDS, FIELDS_BY_KIND
    from planner.language.schema import BY_KIND, QUANTITIES
    from planner.syntax.words import WORDS
    from planner.units.quantity import UNITS

    known = [*CODES, *BY_KIND, *FIELDS_BY_KIND, *(row.name for row in (*QUANTITIES, *FIELDS)), *UNITS, *WORDS]
    known += [word for row in QUANTITIES for word in row.words]
    known += LABELS
    known += [*catalog.formats, *catalog.gpus, *catalog.models, *catalog.engines, *catalog.frameworks, *catalog.offers]
    close = get_close_matches(what, known, 1)
    if not close:
        low = {name.casefold(): name for name in known}
        close = [low[name] for name in get_close_matches(what.casefold(), low, 1)]
    return close[0] if close else None


def _lines(title: str, rows: dict[str, object]) -> list[str]:
    kept = {name: value for name, value in rows.items() if value not in (None, "", ())}
    width = max(map(len, kept), default=0)
    return [title, *(f"  {name:<{width}}  {value}" for name, value in kept.items())]


def _some(names: Iterable[str]) -> str:
    """Return names as a list, the first of them where they are many."""
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - SHOWN} more" if len(unique) > SHOWN else ""
    return ", ".join(unique[:SHOWN]) + more


def unmentioned(row: Quantity) -> str:
    """Return what a quantity is where a plan does not mention it; "" for an outcome, and for a field of a declaration
    that has no default."""
    from planner.language.schema import WORKLOADS

    ours = WORKLOADS.issuperset(row.kinds)
    if row.role == "outcome":
        return ""
    if ours and row.unsaid:
        return row.unsaid
    if row.free:
        return "chosen by the solver"
    if isinstance(row.default, str | bool | Fraction):
        return "0" if row.default == 0 and row.type == "number" else figures.show(row.name, row.default, row.unit)
    return "no default" if ours else ""


def _settings(name: str, catalog: Catalog) -> dict[str, object]:
    """Return what each engine's newest release takes of a setting that a plan leaves to it; none for anything else."""
    out: dict[str, object] = {}
    for engine in catalog.engines.values():
        newest = engine.releases[-1]
        key = f"  {engine.id} {'.'.join(map(str, newest.since))}"
        match name:
            case "engine_version":
                out[f"  {engine.id}"] = ".".join(map(str, newest.since))
            case "gpu_memory_utilization" if newest.shares or newest.reserves:
                out[key] = "what is left of the GPU beside what it keeps free for its size and ranks"
            case "gpu_memory_utilization":
                out[key] = figures.show(name, newest.gpu_memory_utilization)
            case "max_sequences":
                out[key] = _large(name, newest.max_sequences, newest.max_sequences_large, newest.large_excludes)
            case "max_batched_tokens" if newest.whole_batches:
                out[key] = "the prompts of all sequences"
            case "max_batched_tokens":
                out[key] = _large(
                    name, newest.max_batched_tokens, newest.max_batched_tokens_large, newest.large_excludes
                )
    return out


def _set(name: str, catalog: Catalog) -> dict[str, object]:
    """Return what each framework takes of a given quantity, where it is another value than the table's."""
    rows = catalog.frameworks.values()
    return {f"  {row.id}": figures.show(name, row.sets[name]) for row in rows if name in row.sets}


def _large(name: str, usual: int, large: int, excludes: tuple[str, ...]) -> str:
    from planner.physics.inference.profile import GIB, LARGE

    shown = figures.show(name, Fraction(usual))
    if usual == large:
        return shown
    but = " and ".join(item.upper() for item in excludes)
    return f"{shown}; {figures.show(name, Fraction(large))} on GPUs of {LARGE // GIB} GiB and more, but not on {but}"


def quantity(row: Quantity, catalog: Catalog) -> list[str]:
    """Return the lines of one quantity of a workload, or of one field of a declaration."""
    facts = {"of": ", ".join(row.kinds), "role": row.role, "type": row.type, "unit": row.unit}
    low, high = (None if end is None else f"{float(end):g}" for end in (row.low, row.high))
    span = " ".join(part for part in (f"from {low}" if low else "", f"to {high}" if high else "") if part)
    more = {"words": ", ".join(row.words), "values": span, "unmentioned": unmentioned(row)}
    names = _named(row, catalog)
    last = {f"{row.type}s": ", ".join(names), "example": _example(row, names)}
    settings = _settings(row.name, catalog) if "inference" in row.kinds else _set(row.name, catalog)
    return _lines(f"{row.name}: {row.doc}", {**facts, **more, **last, **settings})


def _named(row: Quantity, catalog: Catalog) -> list[str]:
    """Return the rows of the catalogs that a quantity can be, where they are few enough to list."""
    if row.type == "format":
        return [item.id for item in catalog.formats.values() if row.name in item.roles]
    if row.type == "framework":
        return [key for key, item in catalog.frameworks.items() if not item.unmodelled]
    return list(catalog.engines) if row.type == "engine" else []


def _example(row: Quantity, names: Sequence[str]) -> str:
    """Return a line of a plan that says a quantity; "" for what only an example of a whole plan shows."""
    from planner.language.choices import AMOUNTS
    from planner.language.schema import WORKLOADS

    if not WORKLOADS.issuperset(row.kinds):
        return ""
    if row.role == "outcome":
        shares = {"quality": "97%", "headroom": "10%", "mfu": "40%"}
        amount = shares.get(row.name) or AMOUNTS.get(row.unit or "", "")
        return f"{row.name} {'>=' if row.name in MORE_IS_BETTER else '<='} {amount}" if amount else ""
    if row.type == "boolean":
        return f"{row.name} = {'false' if row.default else 'true'}"
    values = [name for name in names if not name.startswith("fp32")] or list(row.words)
    if row.role == "decision" and len(values) > 1:
        return f"{row.name} in {{{values[0]}, {values[1]}}}"
    if values:
        return f"{row.name} = {values[-1]}"
    if row.type != "number":
        return ""
    if row.unit in AMOUNTS:
        return f"{row.name} = {AMOUNTS[row.unit]}"
    low = max(1, int(row.low or 1)) if row.whole else row.low
    if row.role == "decision" and row.whole:
        return f"{row.name} in {{{low}, {int(low or 1) * 2}}}"
    return f"{row.name} = {low}" if row.whole else ""


def _kind(name: str) -> list[str]:
    from planner.language.schema import BY_KIND

    lines = [f"{name}: a kind of workload. Its quantities:"]
    width = 2 + max(map(len, BY_KIND[name]))
    for role in ("given", "decision", "outcome"):
        lines.append(f"  {role}")
        lines += [f"    {row.name:<{width}}{row.doc}" for row in BY_KIND[name].values() if row.role == role]
    return lines


def words(name: str, quantities: Iterable[Quantity]) -> list[str]:
    """Return what a word means that quantities can be: `adamw`, `lora`, `spot`."""
    lines = []
    for row in quantities:
        if name in row.words:
            others = ", ".join(word for word in row.words if word != name)
            rows: dict[str, object] = {"of": f"{row.name} ({', '.join(row.kinds)})", "others": others}
            if row.default == name:
                rows["unmentioned"] = "it is this"
            lines += _lines(f"{name}: {row.meanings[row.words.index(name)]}", rows)
    return lines


def _rows(what: str, kind: str, rows: object, catalog: Catalog) -> list[str]:
    """Return the page of a row, or the ids of the rows that a name could mean."""
    if not isinstance(rows, tuple):
        return row_lines(rows, catalog)
    ids = {row.id: getattr(row, "name", "") for row in rows}
    return _lines(f"{what}: ambiguous, it names {len(ids)} {kind}; say which: {', '.join(ids)}", dict(ids))


def _format(row: Format, catalog: Catalog) -> list[str]:
    facts = {"bits": f"{float(row.bits):g}", "exponent": row.exponent, "mantissa": row.mantissa}
    more = {"largest": row.largest, "epsilon": row.epsilon, "block": row.block}
    over = {"overhead": f"{float(row.overhead_bits):g} bits a weight"} if row.overhead_bits else {}
    where = {"computed in": row.computes_as, "hardware": _hardware(row.computes_as, catalog)}
    last = {"leaves alone": ", ".join(row.leaves), "engines": ", ".join(row.engines), "source": row.source}
    return _lines(f"{row.id}: {row.name}, a number format", {**facts, **more, **over, **where, **last})


def row_lines(row: object, catalog: Catalog) -> list[str]:
    """Return the lines of a row, of the catalogs or a plan's own: a format, GPU, model, engine, framework or offer."""
    pages: dict[str, Callable[[Any], list[str]]] = {
        "Format": lambda row: _format(row, catalog),
        "Gpu": _gpu,
        "Model": _model,
        "Engine": _engine,
        "Framework": _framework,
        "Offer": _offer,
    }
    page = pages.get(type(row).__name__)
    return [] if page is None else page(row)


def _hardware(computed: str, catalog: Catalog) -> str:
    """Return the GPUs that compute in a format, or those that do not where they are the fewer."""
    able = [row.id for row in catalog.gpus.values() if computed in row.native_formats]
    others = [key for key in catalog.gpus if key not in able]
    if len(able) <= len(others):
        return ", ".join(able) or "none"
    return f"all GPUs but {', '.join(others)}" if others else "all GPUs"


def _gpu(row: Gpu) -> list[str]:
    peaks = {f"peak {name}": f"{value / 1e12:g} TFLOPS" for name, value in row.flops.items()}
    sizes = {"usable": f"{row.memory / 2**30:.2f} GiB", "device": f"{row.device_memory / 2**30:.2f} GiB"}
    last = {"host": row.cpu, "confidence": row.confidence, "source": row.source}
    speed = {"bandwidth": f"{row.bandwidth / 1e9:g} GB/s"}
    return _lines(f"{row.id}: {row.name}", {**sizes, **speed, **peaks, **last})


def _model(row: Model) -> list[str]:
    layers = row.architecture.layers if row.architecture else None
    facts = {"parameters": f"{row.params:_}", "active": f"{row.active_params:_}", "native": row.native_format}
    more = {"layers": layers, "context": row.max_context, "licence": row.licence, "source": row.source}
    return _lines(f"{row.id}: a model", {**facts, **more})


def _engine(row: Engine) -> list[str]:
    facts: dict[str, object] = {"block": f"{row.block_tokens} tokens", "max_sequences": row.max_sequences}
    share = {"gpu_memory_utilization": f"{float(row.gpu_memory_utilization):g}", "source": row.source}
    return _lines(f"{row.id}: {row.name}, a serving engine", {**facts, **share})


def _framework(row: Framework) -> list[str]:
    sets = ", ".join(f"{name} = {value}" for name, value in row.sets.items())
    facts: dict[str, object] = {
        "of": "framework (training)",
        "runs on": row.runs_on or ", ".join(row.vendors),
        "sets": sets,
        "not modelled": row.unmodelled,
        "instead": row.instead,
        "lacks": "; ".join(dict.fromkeys(item.what for item in row.lacks)),
        "note": row.note,
        "source": row.source,
    }
    return _lines(f"{row.id}: {row.name}, a training framework", facts)


def _rented(what: str, catalog: Catalog) -> list[str]:
    """Return an offer, or what the catalogs have of an instance type, provider, region, vendor or generation."""
    word = what.casefold()
    offers = list(catalog.offers.values())
    for row in offers:
        if row.id.casefold() == word:
            return _offer(row)
    for field in ("instance_type", "provider", "region"):
        rented = [row for row in offers if getattr(row, field).casefold() == word]
        if rented:
            return _offers(getattr(rented[0], field), field.replace("_", " "), rented)
    for field, kind in (("vendor", "a vendor"), ("architecture", "a generation of GPUs")):
        gpus = [row for row in catalog.gpus.values() if f"{getattr(row, field)} ".casefold().startswith(f"{word} ")]
        if gpus:
            rows: dict[str, object] = {"GPUs": len(gpus), "ids": _some(row.id for row in gpus)}
            return _lines(f"{getattr(gpus[0], field)[: len(word)]}: {kind}", rows)
    return []


def _offer(row: Offer) -> list[str]:
    def money(micro: int | None) -> str | None:
        return None if micro is None else figures.hourly(micro)

    facts: dict[str, object] = {
        "GPUs": f"{row.gpus} x {row.gpu}",
        "sold by": row.sold_by,
        "on demand": money(row.price),
        "spot": money(row.spot),
        "reserved for 1 year": money(row.reserved_1y),
        "reserved for 3 years": money(row.reserved_3y),
        "marketplace": "yes: rented only where a plan names it" if row.marketplace else None,
        "doubtful": ", ".join(row.flags),
        "vCPUs": row.vcpus,
        "RAM": None if row.ram_gib is None else f"{row.ram_gib:g} GiB",
        "network": None if row.network is None else f"{row.network / 1.25e8:g} Gbit/s between instances",
        "as of": row.as_of,
        "note": row.note,
        "source": row.source,
    }
    return _lines(f"{row.id}: an offer", facts)


def _offers(name: str, what: str, rows: Sequence[Offer]) -> list[str]:
    facts: dict[str, object] = {
        "offers": len(rows),
        "ids" if len(rows) <= SHOWN else "some": _some(row.id for row in rows),
        "GPUs": _some(sorted(row.gpu for row in rows)),
        "providers" if what != "provider" else "regions": _some(
            sorted(row.provider if what != "provider" else row.region for row in rows)
        ),
    }
    return _lines(f"{name}: {'an' if what[0] in 'aeio' else 'a'} {what} of the catalog's offers", facts)


def unit(name: str) -> list[str]:
    """Return what a unit or a scale of numbers is, and the units it can be exchanged for."""
    from planner.syntax.tokens import SCALES
    from planner.units.canonical import unit_of
    from planner.units.quantity import UNITS

    lines = []
    if name in SCALES:
        attached = f"13{name}" if name in ("k", "M", "B", "T") else f"8{name} tokens"
        lines += _lines(f"{name}: a scale of numbers", {"times": f"{SCALES[name]:_}", "example": attached})
    key = name.replace("$", "USD")
    if key in UNITS:
        factor, dimension = UNITS[key]
        canonical = unit_of(dimension)
        value = factor if canonical is None else factor / UNITS[canonical][0]
        others = [unit.replace("USD", "$") for unit, (_, same) in UNITS.items() if same == dimension and unit != key]
        is_ = f"{_number(value)} {(canonical or '').replace('USD', '$')}".rstrip()
        lines += _lines(f"{name}: a unit of {dimension}", {"is": is_, "others": ", ".join(others)})
    return lines


def _number(value: Fraction) -> str:
    return f"{value.numerator:_}" if value.denominator == 1 else f"{float(value):g}"


def _word(name: str) -> list[str]:
    from planner.syntax.words import WORDS

    word = WORDS.get(name)
    return [] if word is None else _lines(f"{name}: a word of the language", {"does": word[0], "example": word[1]})
