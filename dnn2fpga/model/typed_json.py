"""Dataclasses as JSON values and back: tuples as lists, dataclasses as objects, types checked on reading."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from ..errors import Refusal

_NAMES = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}


def encode(value: Any) -> Any:
    """A value of dataclasses, tuples, dictionaries, numbers and strings as JSON has it; floats stay exact."""
    if dataclasses.is_dataclass(value):
        return {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: encode(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [encode(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value


def decode(hint: Any, value: Any, at: str = "") -> Any:
    """A JSON value as the type that `hint` says. `at` is the value's path in its document, for the refusal.

    Hints: dataclasses, `X | None`, `X | Y` of dataclasses that have different fields, `tuple[X, Y]`, `tuple[X, ...]`,
    `dict[str, X]`, bool, int, float, str, Any. Raises `Refusal` on a value of another type, and on keys that the
    dataclass lacks or wants.
    """
    if get_origin(hint) is UnionType:
        members = [member for member in get_args(hint) if member is not NoneType]
        if value is None and len(members) < len(get_args(hint)):
            return None
        return decode(_member(members, value) if len(members) > 1 else members[0], value, at)
    if dataclasses.is_dataclass(hint):
        return _decode_dataclass(hint, value, at)
    if get_origin(hint) is tuple:
        return _decode_tuple(get_args(hint), value, at)
    if get_origin(hint) is dict:
        _expect(isinstance(value, dict), at, "an object", value)
        return {key: decode(get_args(hint)[1], part, _inside(at, key)) for key, part in value.items()}
    if hint in _NAMES:
        _expect(type(value) is hint or (hint is float and type(value) is int), at, _NAMES[hint], value)
        return hint(value)
    return value


def _decode_dataclass(hint: Any, value: Any, at: str) -> Any:
    _expect(isinstance(value, dict), at, "an object", value)
    fields = {field.name: field for field in dataclasses.fields(hint)}
    unknown = sorted(value.keys() - fields.keys())
    if unknown:
        raise Refusal(f"{_inside(at, unknown[0])} is unknown here; known are: {', '.join(fields) or 'none'}")
    for name, field in fields.items():
        if name not in value and field.default is dataclasses.MISSING:
            raise Refusal(f"{_inside(at, name)} is missing")
    hints = get_type_hints(hint)
    return hint(**{name: decode(hints[name], part, _inside(at, name)) for name, part in value.items()})


def _member(hints: Sequence[Any], value: Any) -> Any:
    """The dataclass of a union that shares most fields with an object: what is wrong is then told of that one."""
    keys = value.keys() if isinstance(value, dict) else set()
    return max(hints, key=lambda hint: len(keys & {field.name for field in dataclasses.fields(hint)}))


def _decode_tuple(hints: tuple[Any, ...], value: Any, at: str) -> tuple[Any, ...]:
    _expect(isinstance(value, list), at, "a list", value)
    if len(hints) == 2 and hints[1] is ...:
        hints = (hints[0],) * len(value)
    _expect(len(hints) == len(value), at, f"a list of {len(hints)}", value)
    return tuple(
        decode(hint, part, f"{at}[{index}]") for index, (hint, part) in enumerate(zip(hints, value, strict=True))
    )


def _inside(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _expect(right: bool, at: str, what: str, value: Any) -> None:
    if not right:
        found = repr(value)
        raise Refusal(f"{at or 'the document'} must be {what}, not {found if len(found) <= 40 else found[:40] + '…'}")
