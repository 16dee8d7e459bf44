"""Small words of each language: no name should begin or end with one of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ml.text.language_words import small_words_of

FILE = Path(__file__).parent / "models" / "stop-words" / "words.txt"
_ENGLISH = "a an as at by do in is it of on or out so to up"
# Croatian and Serbian in Latin letters share theirs.
_SAME_AS = {"sr": "hr"}
# What the published lists of two languages lack.
_MORE = {
    "lt": "ką kam ko kuo kokį kokią kurį kurią jį ją jo jos jų jam jai jiems juos jas mūsų tave "
    "jums šis ši šį šią šio šios šie tą to tos tie tų buvau buvo bus būti esu esame turiu turi "
    "reikia prašom prašome galiu galima galite norėčiau labas laba sveiki ačiū gali",
    "id": "tolong mohon dibantu halo selamat terima kasih ya kalo nya nih",
}
# And what they have though contacts are about it: "until" is also "arrived".
_LESS = {"id": "sampai"}

_NEGATIONS = {
    "ar": "لا ليس ليست لم لن ما بدون غير",
    "bg": "не няма без никога нямам",
    "bn": "না নেই নয়",
    "cs": "ne není nejde nejsou bez nikdy nemohu nemám",
    "da": "ikke ingen uden aldrig",
    "de": "nicht kein keine keinen keiner keinem nie niemals ohne nichts",
    "el": "δεν μην όχι χωρίς ποτέ",
    "en": "no not never cannot can't don't didn't without",
    "es": "no nunca sin ni nada tampoco",
    "et": "ei pole ilma mitte",
    "fa": "نه نیست بدون نمی",
    "fi": "ei en eivät emme älä ilman eikä",
    "fr": "pas ne non sans jamais aucun aucune rien",
    "he": "לא אין בלי אל",
    "hi": "नहीं न मत बिना",
    "hr": "ne nije nema bez nikad nisam nisu",
    "hu": "nem nincs ne sem soha nélkül",
    "id": "tidak belum bukan jangan tanpa tak gak nggak enggak",
    "it": "non senza mai no né niente",
    "ko": "안 못 없다 없이 아니",
    "lt": "ne nėra negaliu nebe nebuvo neturiu neveikia be",
    "lv": "ne nav nevaru bez nekad",
    "nl": "niet geen nooit zonder niets",
    "no": "ikke ingen uten aldri",
    "pl": "nie bez nigdy brak nic",
    "pt": "não nunca sem nem nada",
    "ro": "nu fără niciodată nici",
    "ru": "не нет без никогда нельзя ничего",
    "sk": "nie nejde bez nikdy nemám",
    "sl": "ne ni brez nikoli nimam",
    "sv": "inte ej utan aldrig ingen inget",
    "tl": "hindi wala huwag",
    "tr": "değil yok hiç olmadı",
    "uk": "не немає без ніколи ні",
    "ur": "نہیں نہ بغیر",
    "vi": "không chưa chẳng đừng",
}
"""What turns a statement round: it stays in a name wherever it stands."""


def negations(language: str) -> frozenset[str]:
    """Return words of a language (ISO 639-1) that say no; empty where none are known."""
    return frozenset(_NEGATIONS.get(_SAME_AS.get(language, language), "").split())


@cache
def stop_words(language: str) -> frozenset[str]:
    """Return words of a language that no name should begin or end with, in small letters.

    Parameters
    ----------
    language : str
        ISO 639-1 code.

    Returns
    -------
    frozenset of str
        Without the `negations` of the language; empty where no list is known, and for languages
        that are written without spaces. Of English only those that are in every text: names in
        English have lists of their own (`ml.themes.label`).
    """
    code = _SAME_AS.get(language, language)
    listed = _lists().get(code, frozenset(_ENGLISH.split()) if code == "en" else frozenset())
    more = _MORE.get(code, "").split()
    less = negations(code).union(_LESS.get(code, "").split())
    return listed.union(small_words_of(code), more) - less


@cache
def _lists() -> dict[str, frozenset[str]]:
    lines = (line.split() for line in FILE.read_text(encoding="utf-8").splitlines())
    return {code: frozenset(words) for code, *words in lines}
