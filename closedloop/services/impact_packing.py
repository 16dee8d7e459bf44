"""What one measurement has read, packed so that it can be made again bit for bit.

Everything the estimate depends on goes into one npz whose bytes are the same for the same
input, whatever the day it was written on: that makes a row reproducible, and unique. What a
measurement does not have (a prior of the site's own, a driver, stages, other looks) is left out
of its file, and what an older file does not have takes its default when it is read.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int32]
Floats = NDArray[np.float64]
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say; the time of writing must not show
_LEVEL = 6  # of compression; the last steps take five times as long for a hundredth of the size


@dataclass(frozen=True, eq=False)
class MeasurementInputs:
    """Every number an estimate depends on.

    Attributes
    ----------
    counts : int array, shape (n_days,)
        Contacts a day of all themes that the change touches together, the first `n_pre` of them
        before go-live.
    controls : int array, shape (n_days, n_controls)
    control_ids : tuple of int
        Theme of each column.
    siblings : int array, shape (n_days, n_siblings)
    sibling_ids : tuple of int
    first_day : date
        The day of counts[0].
    n_pre : int
    skip : tuple of int
        Indexes of days that are not counted: of roll-outs, and those for which an import is
        missing, before and since go-live.
    holidays : tuple of date
        Within the days read.
    alpha : float
        Significance asked for.
    definition_set_id : int
    method_version : str
    parts : int array, shape (n_days, n_parts), or None
        The touched themes one by one; they add up to `counts`. None when it is only one.
    part_ids : tuple of int
        Theme of each column.
    channels : int array, shape (n_days, n_channels), or None
        The touched themes by channel; None with fewer than two.
    channel_names : tuple of str
    driver : float array, shape (n_days,), or None
        Driver volume, 0 on days without one; None when effects are on the counts themselves.
    stages : float array, shape (n_days,), or None
        Share of customers reached, 0 to 1; None when the change reached all at once.
    prior : float array, or None
        Weights of the model's settings, learnt by the site; None are those delivered.
    lately : tuple of int
        Indexes of the days after the change that are left out when the newest days are asked by
        themselves; empty when they are not.
    smallest_drop : float or None
        Share worth having; what the newest days are held against.
    others : tuple of float or None
        p-values of the looks judged with this one, smallest first; None outside of looks.
    alpha_fell, alpha_rose : float or None
        Significance asked of a fall or of a rise, where that is stricter than `alpha`: a claim
        in force says the contrary. None where it is `alpha`.
    """

    counts: Counts
    controls: Counts
    control_ids: tuple[int, ...]
    siblings: Counts
    sibling_ids: tuple[int, ...]
    first_day: date
    n_pre: int
    skip: tuple[int, ...]
    holidays: tuple[date, ...]
    alpha: float
    definition_set_id: int
    method_version: str
    parts: Counts | None = None
    part_ids: tuple[int, ...] = ()
    channels: Counts | None = None
    channel_names: tuple[str, ...] = ()
    driver: Floats | None = None
    stages: Floats | None = None
    prior: Floats | None = None
    lately: tuple[int, ...] = ()
    smallest_drop: float | None = None
    others: tuple[float, ...] | None = None
    alpha_fell: float | None = None
    alpha_rose: float | None = None

    @property
    def days_not_counted(self) -> tuple[int, ...]:
        """Indexes of the days left out: those of `skip`, and those without a driver volume."""
        without = () if self.driver is None else np.flatnonzero(~(self.driver > 0)).tolist()
        return tuple(sorted({*self.skip, *without}))

    @property
    def since(self) -> tuple[int | None, ...]:
        """Contacts a day from go-live on, None on days that are not counted."""
        left_out = frozenset(self.days_not_counted)
        return tuple(
            None if day in left_out else int(self.counts[day])
            for day in range(self.n_pre, len(self.counts))
        )

    def alpha_of(self, avoided: float) -> float:
        """Return the significance asked of so many contacts avoided; below 0 is a rise."""
        stricter = self.alpha_fell if avoided > 0 else self.alpha_rose
        return self.alpha if stricter is None else stricter


def pack_inputs(inputs: MeasurementInputs) -> bytes:
    """Return the inputs as a compressed npz; the same inputs give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name, array in {**_always(inputs), **_sometimes(inputs)}.items():
            one = io.BytesIO()
            np.lib.format.write_array(one, np.ascontiguousarray(array), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, one.getvalue(), compresslevel=_LEVEL)
    return out.getvalue()


def _always(inputs: MeasurementInputs) -> dict[str, NDArray[Any]]:
    return {
        "counts": inputs.counts,
        "controls": inputs.controls,
        "control_ids": _whole(inputs.control_ids),
        "siblings": inputs.siblings,
        "sibling_ids": _whole(inputs.sibling_ids),
        "first_day": np.array(inputs.first_day.toordinal(), dtype=np.int64),
        "n_pre": np.array(inputs.n_pre, dtype=np.int64),
        "skip": _whole(inputs.skip),
        "holidays": _whole(day.toordinal() for day in inputs.holidays),
        "alpha": np.array(inputs.alpha, dtype=np.float64),
        "definition_set_id": np.array(inputs.definition_set_id, dtype=np.int64),
        "method_version": _letters(inputs.method_version),
    }


def _sometimes(inputs: MeasurementInputs) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    if inputs.parts is not None:
        arrays |= {"parts": inputs.parts, "part_ids": _whole(inputs.part_ids)}
    if inputs.channels is not None:
        names = "\n".join(inputs.channel_names)
        arrays |= {"channels": inputs.channels, "channel_names": _letters(names)}
    for name in ("driver", "stages", "prior"):
        values = getattr(inputs, name)
        if values is not None:
            arrays[name] = np.asarray(values, dtype=np.float64)
    if inputs.lately:
        arrays["lately"] = _whole(inputs.lately)
    for name in ("smallest_drop", "alpha_fell", "alpha_rose"):
        if (number := getattr(inputs, name)) is not None:
            arrays[name] = np.array(number, dtype=np.float64)
    if inputs.others is not None:
        arrays["others"] = np.array(inputs.others, dtype=np.float64)
    return arrays


def _whole(values: Any) -> NDArray[Any]:
    return np.array(tuple(values), dtype=np.int64)


def _letters(text: str) -> NDArray[Any]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def unpack_inputs(packed: bytes) -> MeasurementInputs:
    """Return the inputs that `pack_inputs` packed, now or before it knew all of them."""
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        names = arrays.files
        return MeasurementInputs(
            counts=arrays["counts"],
            controls=arrays["controls"],
            control_ids=_ints(arrays, "control_ids"),
            siblings=arrays["siblings"],
            sibling_ids=_ints(arrays, "sibling_ids"),
            first_day=date.fromordinal(arrays["first_day"].item()),
            n_pre=int(arrays["n_pre"].item()),
            skip=_ints(arrays, "skip"),
            holidays=tuple(date.fromordinal(day) for day in _ints(arrays, "holidays")),
            alpha=float(arrays["alpha"].item()),
            definition_set_id=int(arrays["definition_set_id"].item()),
            method_version=_text(arrays, "method_version"),
            parts=arrays["parts"] if "parts" in names else None,
            part_ids=_ints(arrays, "part_ids") if "part_ids" in names else (),
            channels=arrays["channels"] if "channels" in names else None,
            channel_names=tuple(_text(arrays, "channel_names").split("\n"))
            if "channel_names" in names
            else (),
            driver=arrays["driver"] if "driver" in names else None,
            stages=arrays["stages"] if "stages" in names else None,
            prior=arrays["prior"] if "prior" in names else None,
            lately=_ints(arrays, "lately") if "lately" in names else (),
            smallest_drop=_number(arrays, "smallest_drop"),
            others=tuple(float(p) for p in arrays["others"]) if "others" in names else None,
            alpha_fell=_number(arrays, "alpha_fell"),
            alpha_rose=_number(arrays, "alpha_rose"),
        )


def _number(arrays: Mapping[str, Any], name: str) -> float | None:
    return float(arrays[name].item()) if name in arrays else None


def _ints(arrays: Mapping[str, Any], name: str) -> tuple[int, ...]:
    return tuple(int(value) for value in arrays[name])


def _text(arrays: Mapping[str, Any], name: str) -> str:
    return bytes(arrays[name]).decode()


def fingerprint(packed: bytes) -> str:
    """Return the SHA-256 of packed inputs, hex."""
    return hashlib.sha256(packed).hexdigest()
