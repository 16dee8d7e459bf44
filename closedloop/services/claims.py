"""What the definitions in force would say of texts that are no contacts; and whether they can."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.services.definitions import check_encoder, find_current_set, own_maker
from closedloop.services.encoding import encode_plain
from closedloop.services.labelling import assign_rows
from ml.text.embed import load_encoder


def themes_of_texts(
    session: Session, *, settings: Settings, texts: Sequence[str]
) -> list[int | None]:
    """Return the theme each text would be counted under, None for none.

    Parameters
    ----------
    texts : sequence of str, length n
        As `ml.text.clean.issue_text` gives them; an empty one belongs to no theme.

    Returns
    -------
    list of int or None, length n
        All None before the first discovery.

    Raises
    ------
    Conflict
        If the encoder of the settings is not the one the definitions were made with.
    """
    current = find_current_set(session, with_model=True)
    if current is None or not texts:
        return [None] * len(texts)
    maker = own_maker()
    encoder = maker.load_encoder(settings.encoder)
    check_encoder(current.encoder, encoder)
    model = maker.read_model(current.model)
    labels, _ = assign_rows(model, encode_plain(encoder, texts))
    themes = current.label_themes
    return [
        themes[label] if text and label >= 0 else None
        for text, label in zip(texts, labels.tolist(), strict=True)
    ]


def try_encoder(settings: Settings) -> tuple[str, int]:
    """Encode one word, and return the encoder's name and the length of its vectors.

    Raises
    ------
    ValueError, ImportError
        With a sentence that says what is missing.
    """
    encoder = load_encoder(settings.encoder)
    encoder.encode(["card"])
    return encoder.name, encoder.dimensions
