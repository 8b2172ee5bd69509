"""The rest of a turn, which one run of a workflow passes to the next."""

from dataclasses import asdict, dataclass, fields
from typing import Any, cast

from .._errors import AgentTypeError
from .carry import CarryFormat
from .reading import shown

TURN_VERSION = 1


@dataclass(frozen=True)
class PackedTurn:
    """The rest of a turn as one compressed value.

    Attributes:
        data: Compressed JSON, as text.
        version: Layout of the data.
    """

    data: str
    version: int = TURN_VERSION


FORMAT = CarryFormat(
    PackedTurn,
    TURN_VERSION,
    "TurnHandOver(carried=...)",
    made_by="hand_over.carry()",
    package="strands-temporal",
)


@dataclass(frozen=True)
class TurnContent:
    """What a `PackedTurn` holds. `TurnCut` in `_workflow/turn_cut.py` says what each of it is."""

    usage: dict[str, float]
    cycles: list[list[Any]]
    durations: list[float]
    state: dict[str, Any]
    prompt: str | list[dict[str, Any]] | None
    cancelled: bool
    message: str | None


_FIELDS = {field.name for field in fields(PackedTurn)}


def pack_turn(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a turn's rest as the fields of a `PackedTurn`.

    Raises:
        TypeError: If something in `content` is neither JSON nor bytes.
    """
    return asdict(PackedTurn(FORMAT.pack(content)))


def unpack_turn(packed: Any) -> dict[str, Any]:
    """Return the content that `pack_turn` packed.

    Args:
        packed: Its result, as a payload converter decoded it.

    Raises:
        AgentTypeError: If `packed` is not such a value.
        AgentValueError: If it is damaged, or was made by a newer release.
    """
    fields = cast("dict[str, Any]", packed) if isinstance(packed, dict) else {}
    if set(fields) != _FIELDS:
        raise AgentTypeError(
            f"TurnHandOver(carried=...): {shown(packed)} is not a value of hand_over.carry(). Give what it "
            "returned in the run before, and declare the workflow's argument as dict[str, Any]"
        )
    return FORMAT.unpack(PackedTurn(**fields))
