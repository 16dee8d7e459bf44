"""Languages as exports write them: by name or by the codes of three letters."""

from __future__ import annotations

_NAMES = {
    "ar": "ara arabic",
    "bg": "bul bulgarian",
    "bn": "ben bengali",
    "cs": "ces cze czech",
    "da": "dan danish",
    "de": "deu ger german deutsch",
    "el": "ell gre greek",
    "en": "eng english",
    "es": "spa spanish español castilian",
    "et": "est estonian",
    "fa": "fas per persian farsi",
    "fi": "fin finnish",
    "fr": "fra fre french français",
    "he": "heb hebrew",
    "hi": "hin hindi",
    "hr": "hrv croatian",
    "hu": "hun hungarian",
    "id": "ind indonesian",
    "it": "ita italian italiano",
    "ja": "jpn japanese",
    "ko": "kor korean",
    "lt": "lit lithuanian lietuvių",
    "lv": "lav latvian",
    "ms": "msa may malay",
    "nb": "nob norwegian",
    "nl": "nld dut dutch nederlands",
    "no": "nor",
    "pl": "pol polish polski",
    "pt": "por portuguese português",
    "ro": "ron rum romanian",
    "ru": "rus russian",
    "sk": "slk slo slovak",
    "sl": "slv slovenian slovene",
    "sr": "srp serbian",
    "sv": "swe swedish svenska",
    "th": "tha thai",
    "tl": "tgl fil tagalog filipino",
    "tr": "tur turkish türkçe",
    "uk": "ukr ukrainian",
    "ur": "urd urdu",
    "vi": "vie vietnamese",
    "zh": "zho chi cmn chinese mandarin",
}
LANGUAGES = {word: code for code, words in _NAMES.items() for word in words.split()}
"""Name or code of three letters, in lower case, to ISO 639-1."""


def language_name(code: str) -> str:
    """Return the English name of a language, its code in capitals where it has none here."""
    words = (word for word in _NAMES.get(code, "").split() if len(word) > 3)
    return next(words, code.upper()).capitalize() if code in _NAMES else code.upper()
