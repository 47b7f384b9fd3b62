"""A model's architecture: layers as a run-length list, each a mixer and a feed-forward part, as frozen records.

Counts are those of one layer. A size that is 0 where it may be is one that the part does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from planner.record import dataclass


@dataclass(frozen=True, slots=True)
class Attention:
    """Head-wise attention over the own tokens, or over another input's (`cross`)."""

    heads: int
    """Query heads."""
    kv_heads: int
    """Key and value heads, each shared by as many query heads: grouped-query attention."""
    head_dim: int
    """Width of a query and of a key."""
    v_head_dim: int = 0
    """Width of a value, where it is another."""
    qk_norm: str = ""
    """`head`: a norm of queries and of keys as wide as a head; `full`: as wide as all heads."""
    q_gate: bool = False
    """The output is multiplied by a gate as wide as the queries, projected with them."""
    qkv_bias: bool = False
    o_bias: bool = False
    sinks: bool = False
    """A learned score for each head, which takes part in the softmax."""
    window: int = 0
    """The last tokens that it sees, where it does not see all."""
    chunk: int = 0
    """Tokens of the pieces of the text that it stays in."""
    kv_shared: bool = False
    """Keys and values are those of an earlier layer."""
    k_eq_v: bool = False
    """Keys are values too."""
    head_gate: bool = False
    """A gate for each head."""
    index_heads: int = 0
    """Heads of an indexer that chooses the tokens that are looked at."""
    index_dim: int = 0
    """Width of the indexer's heads, and of its key."""
    cross: bool = False
    """Keys and values are of the tokens of images, not of the text."""

    @property
    def kind(self) -> str:
        """The kind as catalogs and engines' rows write it."""
        return "cross" if self.cross else "gqa"

    @property
    def value_dim(self) -> int:
        """Width of a value."""
        return self.v_head_dim or self.head_dim

    @property
    def widths(self) -> tuple[int, int, int]:
        """Widths of the query, key and value projections."""
        return self.heads * self.head_dim, self.kv_heads * self.head_dim, self.kv_heads * self.value_dim


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek-V2): keys and values are projected from one latent."""

    kind = "mla"
    heads: int
    q_lora_rank: int | None
    """Width of the latent that queries come from; they come from the hidden state where there is none."""
    kv_lora_rank: int
    """Width of the latent that keys and values come from."""
    nope: int
    """Width of a head's key without position."""
    rope: int
    """Width of the rotated key that all heads share."""
    v_head_dim: int
    index_heads: int = 0
    """Heads of an indexer that chooses the tokens that are looked at (DeepSeek-V3.2)."""
    index_dim: int = 0
    """Width of the indexer's heads, and of its key."""
    index_shared: bool = False
    """It looks at what an earlier layer's indexer chose."""

    @property
    def query(self) -> int:
        """Width of a head's query and key."""
        return self.nope + self.rope


@dataclass(frozen=True, slots=True)
class CompressedAttention:
    """Attention over a window and over tokens compressed at a rate, one key and value for all heads (DeepSeek-V4)."""

    kind = "compressed"
    heads: int
    head_dim: int
    """Width of a query, and of what is key and value at once."""
    rope: int
    """How much of it is rotated."""
    q_lora_rank: int
    """Width of the latent that queries come from."""
    o_groups: int
    """Groups of heads that the output is projected from."""
    o_lora_rank: int
    """Width of the latent of each of these groups."""
    window: int
    """The last tokens that are kept whole."""
    rate: int = 0
    """Tokens that are pooled into one; 0 for a layer that sees its window alone."""
    index_heads: int = 0
    """Heads of an indexer that chooses among the compressed tokens."""
    index_dim: int = 0
    """Width of the indexer's heads, and of its key."""

    @property
    def overlap(self) -> int:
        """Windows of tokens that a pool spans: two where it has an indexer."""
        return 2 if self.index_dim else 1


@dataclass(frozen=True, slots=True)
class Mamba1:
    """A selective state space."""

    kind = "mamba1"
    d_inner: int
    d_state: int
    """Numbers of the state for each channel."""
    d_conv: int
    """Tokens that its convolution spans."""
    dt_rank: int
    """Width that the step sizes are projected from."""
    inner_norms: bool = False
    """Norms of what the step sizes and the state are made from (Jamba)."""


@dataclass(frozen=True, slots=True)
class Mamba2:
    """A state space with heads, in groups."""

    kind = "mamba2"
    d_inner: int
    groups: int
    """Groups of heads that share what goes in and out of the state."""
    d_state: int
    """Numbers of the state for each channel."""
    heads: int
    d_conv: int
    """Tokens that its convolution spans."""


@dataclass(frozen=True, slots=True)
class GatedDeltaNet:
    """A gated delta net: a matrix of keys by values for each value head."""

    kind = "gdn"
    k_heads: int
    k_dim: int
    v_heads: int
    v_dim: int
    d_conv: int
    """Tokens that its convolution spans."""

    @property
    def keys(self) -> int:
        """Width of all keys, and of all queries."""
        return self.k_heads * self.k_dim

    @property
    def values(self) -> int:
        """Width of all values."""
        return self.v_heads * self.v_dim


@dataclass(frozen=True, slots=True)
class LightningAttention:
    """Linear attention with a decay for each head (MiniMax-Text-01)."""

    kind = "lightning"
    heads: int
    head_dim: int

    @property
    def width(self) -> int:
        """Width of all heads."""
        return self.heads * self.head_dim


@dataclass(frozen=True, slots=True)
class ShortConvolution:
    """A short gated convolution (LFM2)."""

    kind = "shortconv"
    d_conv: int
    """Tokens that it spans."""


@dataclass(frozen=True, slots=True)
class NoPart:
    """No mixer, or no feed-forward part, here."""

    kind = "none"


@dataclass(frozen=True, slots=True)
class FeedForward:
    """A dense feed-forward part."""

    kind = "mlp"
    inter: int
    """Inner width."""
    gated: bool = True
    """The inner activations are multiplied by a gate, which has a projection of its own."""
    bias: bool = False


@dataclass(frozen=True, slots=True)
class Experts:
    """A mixture of experts, with shared and dense parts beside it."""

    kind = "moe"
    experts: int
    topk: int
    """Experts that a token passes."""
    inter: int
    """Inner width of one."""
    gated: bool = True
    """As in a dense part."""
    bias: bool = False
    shared_inter: int = 0
    """Inner width of the expert that every token passes."""
    shared_gate: bool = False
    """A gate on what that expert adds."""
    plus_dense: int = 0
    """Inner width of a gated dense part beside the experts."""
    router_bias: bool = False
    """A bias on the scores of the router."""
    latent: int = 0
    """Width that tokens are projected to before the experts, where that is not the hidden one (Nemotron)."""


SoftmaxAttention = Attention | LatentAttention | CompressedAttention
"""Mixers that keep something of every token they look at."""
Recurrent = Mamba1 | Mamba2 | GatedDeltaNet | LightningAttention | ShortConvolution
"""Mixers with a state for each sequence."""
Mixer = SoftmaxAttention | Recurrent | NoPart
LayerFeedForward = FeedForward | Experts | NoPart
LayerPart = Mixer | LayerFeedForward

_MIXERS: Final[dict[str, type[Any]]] = {
    "gqa": Attention,
    "cross": Attention,
    "mla": LatentAttention,
    "compressed": CompressedAttention,
    "mamba1": Mamba1,
    "mamba2": Mamba2,
    "gdn": GatedDeltaNet,
    "lightning": LightningAttention,
    "shortconv": ShortConvolution,
    "none": NoPart,
}
_FEED_FORWARD: Final[dict[str, type[Any]]] = {"mlp": FeedForward, "moe": Experts, "none": NoPart}


def _part(row: Mapping[str, Any], kinds: Mapping[str, type[Any]]) -> Any:
    words = {name: value for name, value in row.items() if name != "kind" and value is not None}
    match row["kind"]:
        case "gqa" | "cross":
            words |= {"qk_norm": words.get("qk_norm") or "", "cross": row["kind"] == "cross"}
        case "mla":
            words.setdefault("q_lora_rank", None)
    return kinds[row["kind"]](**words)


def mixer_of(row: Mapping[str, Any]) -> Mixer:
    """Return the mixer of a catalog's row, which has been held to its form."""
    mixer: Mixer = _part(row, _MIXERS)
    return mixer


def feed_forward_of(row: Mapping[str, Any] | None) -> LayerFeedForward:
    """Return the feed-forward part of a catalog's row, which has been held to its form."""
    part: LayerFeedForward = NoPart() if row is None else _part(row, _FEED_FORWARD)
    return part


def as_row(part: LayerPart) -> dict[str, Any]:
    """Return a part as catalogs write it: its kind and what it is made of, without what it does not have."""
    always = ("gated", "bias") if isinstance(part, FeedForward) else ()
    fields: Any = part.__dataclass_fields__
    names: tuple[str, ...] = part.__match_args__
    values = {name: getattr(part, name) for name in names if name != "cross"}
    said = {name: value for name, value in values.items() if name in always or value != fields[name].default}
    return {"kind": part.kind, **said}


def indexer(mixer: Mixer) -> tuple[int, int]:
    """Return the heads and the width of a mixer's indexer; zeros for one that looks at all tokens."""
    if isinstance(mixer, SoftmaxAttention):
        return mixer.index_heads, mixer.index_dim
    return 0, 0


@dataclass(frozen=True, slots=True)
class Layers:
    """Identical layers."""

    count: int
    mixer: Mixer
    ffn: LayerFeedForward
    norms: int
    """Norms of the hidden width, in each."""
    extra: int = 0
    """Parameters of other kinds, in each."""


@dataclass(frozen=True, slots=True)
class Vision:
    """The image encoder beside a decoder, as the memory of serving it needs it.

    `inter` is the width of its feed-forward parts, `attention` heads times head size, `pixels` the numbers of a patch.
    `image` and `video` are the (tokens, patches) of the largest image and of the largest step of a video that the
    processor lets through; a video has at most `video_steps` of them. `video_spread` is how many positions of a prompt
    a token of a video takes with the text between, `outputs` how many hidden widths a token comes out in, `kept` the
    states of inner layers beside the last one's.
    """

    hidden: int
    inter: int
    attention: int
    pixels: int
    image: tuple[int, int]
    source: str
    gated: bool = False
    rotary: bool = False
    video: tuple[int, int] = (0, 0)
    video_steps: int = 1
    video_spread: Fraction = Fraction(1)
    outputs: int = 1
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Architecture:
    """A decoder as a run-length list of layers, and what stands outside them. `family` is its `model_type`."""

    hidden: int
    vocab: int
    tied: bool
    norm: str
    groups: tuple[Layers, ...]
    opaque_params: int = 0
    pos_rows: int = 0
    embed_dim: int | None = None
    final_norm: bool = True
    head_bias: bool = False
    embed_norm: bool = False
    embed_extra_rows: int = 0
    global_extra: int = 0
    family: str = ""
    vision: Vision | None = None

    def __hash__(self) -> int:
        # Looked up often: the sizes that most often tell models apart stand for all, those that plans vary too.
        first = self.groups[0] if self.groups else Layers(0, NoPart(), NoPart(), 0)
        mixer, ffn = first.mixer, first.ffn
        heads, kv_heads = getattr(mixer, "heads", 0), getattr(mixer, "kv_heads", 0)
        seen, width = getattr(mixer, "window", 0), getattr(ffn, "inter", 0)
        outside = self.family, self.hidden, self.vocab, len(self.groups)
        return hash((outside, first.count, heads, kv_heads, seen, width))

    @property
    def layers(self) -> int:
        """How many layers the model has."""
        return sum(group.count for group in self.groups)
