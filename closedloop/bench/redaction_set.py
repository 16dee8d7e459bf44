"""A generated, seeded set of personal data in sentences, and of what only looks like them.

Every value is invented. Numbers with a check digit are drawn until they pass the check of the
python-stdnum library, phone numbers until the phonenumbers library calls them valid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from stdnum import iban, luhn, numdb
from stdnum.cn import ric
from stdnum.de import idnr
from stdnum.gb import nhs
from stdnum.id import nik
from stdnum.lt import asmens

CHECKSUMMED = ("CARD", "IBAN", "Steuer-ID", "asmens kodas", "NHS number", "resident id")
"""Kinds and sorts that carry a check digit."""

LANGUAGES = ("en", "de", "lt", "id", "zh")
PHONE_COUNTRIES = ("GB", "US", "DE", "LT", "ID", "CN", "IN", "FR")

_IBAN_COUNTRIES = "GB DE FR NL ES IT LT LV EE PL IE BE AT PT SE DK FI NO CH LU CZ SK HU RO BG GR HR"
_CARRIERS = {
    "en": (
        "Hello, {}. Please get back to me today.",
        "It is {} and I have given it twice already.",
        "You asked for this: {}, so why does nothing happen?",
        "My order from Monday has not arrived, {} if you need it",
        "({}) and thank you for looking into it.",
    ),
    "de": (
        "Guten Tag, {}. Bitte melden Sie sich heute noch.",
        "Es lautet {} und das habe ich schon zweimal gesagt.",
        "Meine Bestellung ist nicht da, {} falls Sie das brauchen",
    ),
    "lt": (
        "Laba diena, {}. Prašau atsakyti šiandien.",
        "Jau du kartus rašiau: {}, bet niekas nevyksta.",
        "Siuntinys neatvyko, {} jei reikia",
    ),
    "id": (
        "Selamat siang, {}. Mohon dibalas hari ini.",
        "Sudah dua kali saya kirim: {}, tetapi belum ada jawaban.",
        "Pesanan saya belum sampai, {} kalau perlu",
    ),
    "zh": (
        "你好,{},请今天回复我。",
        "我已经说过两次了:{},还是没有人处理。",
        "我的包裹还没有到,{} 谢谢",
    ),
}
_ANNOUNCED = {
    "CARD": ("My card number is {}.", "Meine Karte: {}.", "Kortelės numeris {}.", "卡号 {} 。"),
    "IBAN": ("Pay it to {} please.", "Meine IBAN ist {}.", "Sąskaita {}.", "Rekening {}."),
    "EMAIL": ("My email is {}.", "Meine E-Mail ist {}.", "Mano el. paštas {}.", "邮箱 {} 。"),
    "PHONE": ("Call me on {}.", "Rufen Sie mich an: {}.", "Skambinkite {}.", "电话 {} 。"),
    "URL": ("I clicked {} and saw it.", "Der Link war {} .", "Nuoroda {} .", "链接 {} 。"),
    "IP": ("My address on the net is {}.", "It was blocked, {}."),
}
_ID_ANNOUNCED = {
    "National Insurance": ("My National Insurance number is {}.", "NINO: {}"),
    "NHS number": ("My NHS number is {}.", "NHS no. {}, born in Leeds"),
    "SSN": ("My social security number is {}.", "SSN {}"),
    "ITIN": ("My ITIN is {}.", "ITIN {}"),
    "Steuer-ID": ("Meine Steuer-ID ist {}.", "Steueridentifikationsnummer {}"),
    "asmens kodas": ("Mano asmens kodas {}.", "Asmens kodas: {}"),
    "NIK": ("NIK saya {}.", "Nomor KTP {}"),
    "resident id": ("我的身份证号是{}。", "身份证 {} 。"),
}
_GIVEN = "Ann Brian Chloe Dmitri Elif Farid Greta Hamza Ingrid Joana Kofi Lukas Mei Nadia Owen"
_FAMILY = "Abbott Brandt Castell Dobson Eriksen Farouk Gruber Hobbs Ivanov Jonaitis Kaya Lindqvist"
_NAMED = (
    "My name is {} and I am waiting.",
    "Dear {}, you promised an answer.",
    "It still does not work.\nKind regards,\n{}",
    "Mein Name ist {} und ich warte.",
    "Mano vardas {}, laukiu atsakymo.",
    "Nama saya {}, belum ada jawaban.",
    "Mr {} told me it was sent.",
)
_IN_PASSING = (
    "I spoke to {} on Monday and nothing happened.",
    "The parcel went to {} next door.",
    "{} promised a refund last week.",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One text with one value, or with a decoy.

    Attributes
    ----------
    kind : str
        The token that belongs in place of the value; "" for a decoy.
    sort : str
        Which of the kind: a country, a spelling, the name of a national number.
    before, value, after : str
        The text in three pieces.
    """

    kind: str
    sort: str
    before: str
    value: str
    after: str

    @property
    def text(self) -> str:
        """The whole text."""
        return self.before + self.value + self.after


def digits(rng: Random, n: int) -> str:
    """Return n random digits."""
    return "".join(rng.choices("0123456789", k=n))


def drawn(rng: Random, make: Callable[[Random], str], is_valid: Callable[[str], object]) -> str:
    """Draw until a value passes its check."""
    while not is_valid(value := make(rng)):
        pass
    return value


def grouped(value: str, sizes: Sequence[int], gap: str) -> str:
    """Cut a value into groups of the given sizes; the last size repeats."""
    groups, position = [], 0
    while value:
        size = sizes[min(position, len(sizes) - 1)]
        groups.append(value[:size])
        value, position = value[size:], position + 1
    return gap.join(groups)


def _card(rng: Random) -> tuple[str, str]:
    scheme, prefix, length, sizes = rng.choice(
        (
            ("visa", "4", 16, (4,)),
            ("mastercard", rng.choice(("51", "55", "2221", "2720")), 16, (4,)),
            ("amex", rng.choice(("34", "37")), 15, (4, 6, 5)),
            ("discover", "6011", 16, (4,)),
            ("unionpay", "62", 19, (4, 4, 4, 4, 3)),
            ("maestro", "50", 16, (4,)),
        )
    )
    payload = prefix + digits(rng, length - 1 - len(prefix))
    number = payload + luhn.calc_check_digit(payload)
    return scheme, rng.choice((number, grouped(number, sizes, " "), grouped(number, sizes, "-")))


def _iban(rng: Random) -> tuple[str, str]:
    country = rng.choice(_IBAN_COUNTRIES.split())
    structure = numdb.get("iban").info(country + "00")[0][1]["bban"]
    bban = ""
    for length, alphabet in re.findall(r"(\d+)!?([nac])", structure):
        letters = {"n": "0123456789", "a": "ABCDEFGHKLM"}.get(alphabet, "0123456789ABCDEFGH")
        bban += "".join(rng.choices(letters, k=int(length)))
    number = f"{country}{iban.calc_check_digits(f'{country}00{bban}')}{bban}"
    written = rng.choice((number, grouped(number, (4,), " "), grouped(number, (4,), " ").lower()))
    return country, written


def _email(rng: Random) -> tuple[str, str]:
    first, last = rng.choice(("ann", "j", "maria.k", "lukas")), rng.choice(("smith", "kaya", "om"))
    domain = rng.choice(("example.org", "gmail.com", "mail.co.uk", "firma.de", "pastas.lt"))
    name = f"{first}{rng.choice(('.', '_', ''))}{last}{rng.choice(('', '7', '1984'))}"
    sort = rng.choice(("plain", "plain", "plain", "spaced", "words", "brackets"))
    if sort == "spaced":
        return sort, f"{name} @ {domain}"
    if sort == "brackets":
        return sort, f"{name} [at] {domain.replace('.', ' [dot] ')}"
    if sort == "words":
        spoken = f"{first.replace('.', ' dot ')} dot {last}"
        return sort, f"{spoken} at {domain.replace('.', ' dot ')}"
    return sort, f"{name}@{domain}"


def _phone(rng: Random) -> tuple[str, str]:
    country = rng.choice(PHONE_COUNTRIES)
    kind = rng.choice((PhoneNumberType.MOBILE, PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE))
    number = phonenumbers.example_number_for_type(country, kind)
    if number is None:
        raise LookupError(f"There is no example of a phone number of {country}.")
    example = str(number.national_number)
    while True:
        number.national_number = int(example[:-5] + digits(rng, 5))
        if phonenumbers.is_valid_number(number):
            break
    style = rng.choice((PhoneNumberFormat.NATIONAL, PhoneNumberFormat.NATIONAL, 1, 0))
    written = str(phonenumbers.format_number(number, style))
    written = written.replace(" ", rng.choice((" ", " ", "-", ".", "")))
    if written.startswith("+") and rng.random() < 0.2:
        written = "00" + written[1:]
    return country, written


def _born(rng: Random) -> date:
    return date(1945, 1, 1) + timedelta(days=rng.randrange(22_000))


def _national_id(rng: Random) -> tuple[str, str]:
    sort = rng.choice(tuple(_ID_ANNOUNCED))
    return sort, _MAKE_ID[sort](rng)


def _nino(rng: Random) -> str:
    first, second = rng.choice("ABCEHJLMOPRSW"), rng.choice("ABCEGHJKLMPRSWXYZ")
    if first + second in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ"):
        second = "A"
    number = digits(rng, 6)
    gap = rng.choice(("", " "))
    return gap.join((first + second, *(number[i : i + 2] for i in (0, 2, 4)), rng.choice("ABCD")))


def _nhs(rng: Random) -> str:
    number = drawn(rng, lambda r: r.choice("46") + digits(r, 9), nhs.is_valid)
    return rng.choice((number, grouped(number, (3, 3, 4), " ")))


def _ssn(rng: Random) -> str:
    area = rng.choice([n for n in range(1, 900) if n != 666])
    number = f"{area:03}{rng.randrange(1, 100):02}{rng.randrange(1, 10_000):04}"
    return grouped(number, (3, 2, 4), rng.choice(("-", "-", " ")))


def _itin(rng: Random) -> str:
    group = rng.choice([*range(50, 66), *range(70, 89), *range(90, 93), *range(94, 100)])
    return f"9{digits(rng, 2)}-{group}-{digits(rng, 4)}"


def _tax_id(rng: Random) -> str:
    number = drawn(rng, lambda r: r.choice("123456789") + digits(r, 10), idnr.is_valid)
    return rng.choice((number, grouped(number, (2, 3, 3, 3), " ")))


def _asmens(rng: Random) -> str:
    def make(rng: Random) -> str:
        born = _born(rng)
        return f"{rng.choice('34' if born.year < 2000 else '56')}{born:%y%m%d}{digits(rng, 4)}"

    return drawn(rng, make, asmens.is_valid)


def _nik(rng: Random) -> str:
    def make(rng: Random) -> str:
        born = _born(rng)
        day = born.day + rng.choice((0, 40))
        place = rng.choice(("317101", "327305", "357801", "127102", "517103", "737101"))
        return f"{place}{day:02}{born:%m%y}{rng.randrange(1, 9_999):04}"

    return drawn(rng, make, nik.is_valid)


def _resident(rng: Random) -> str:
    place = rng.choice(("110105", "310115", "440305", "510107", "330106"))
    payload = f"{place}{_born(rng):%Y%m%d}{digits(rng, 3)}"
    return payload + ric.calc_check_digit(payload + "0")


_MAKE_ID: dict[str, Callable[[Random], str]] = {
    "National Insurance": _nino,
    "NHS number": _nhs,
    "SSN": _ssn,
    "ITIN": _itin,
    "Steuer-ID": _tax_id,
    "asmens kodas": _asmens,
    "NIK": _nik,
    "resident id": _resident,
}


def _url(rng: Random) -> tuple[str, str]:
    host = rng.choice(("shop.example", "mail.example.org", "konto.example.de"))
    secret = "".join(rng.choices("abcdef0123456789", k=24))
    return rng.choice(
        (
            ("token", f"https://{host}/reset?token={secret}"),
            ("token", f"https://{host}/a?id=3&access_token={secret}&x=1"),
            ("login", f"https://ann:{secret[:8]}@{host}/inbox"),
        )
    )


def _ip(rng: Random) -> tuple[str, str]:
    if rng.random() < 0.5:
        return "v4", f"{rng.choice((31, 81, 92, 151))}.{rng.randrange(256)}.{rng.randrange(256)}.9"
    net = rng.choice(("2a00:23c6", "2600:1f18", "2409:8a00"))
    ends = [f"{rng.randrange(1, 65536):x}" for _ in range(6)]
    return "v6", f"{net}:{':'.join(ends) if rng.random() < 0.5 else f'{ends[0]}::{ends[1]}'}"


def _name(rng: Random) -> tuple[str, str]:
    return "", f"{rng.choice(_GIVEN.split())} {rng.choice(_FAMILY.split())}"


def _address(rng: Random) -> tuple[str, str]:
    n = rng.randrange(1, 200)
    return rng.choice(
        (
            ("GB", f"{n} Station Road, Leeds LS1 4DY"),
            ("US", f"{n} Maple Avenue, Springfield, IL 62704"),
            ("DE", f"Gartenstraße {n}, 50667 Köln"),
            ("LT", f"Pylimo g. {n}-4, Vilnius"),
            ("ID", f"Jl. Kenanga No. {n}, Bandung"),
            ("CN", f"南京市中山路{n}号"),
        )
    )


_MAKE: dict[str, Callable[[Random], tuple[str, str]]] = {
    "CARD": _card,
    "IBAN": _iban,
    "EMAIL": _email,
    "PHONE": _phone,
    "NATIONAL_ID": _national_id,
    "URL": _url,
    "IP": _ip,
    "ADDRESS": _address,
}


def _decoy(rng: Random) -> tuple[str, str]:
    day = _born(rng)
    n = rng.randrange(1, 100_000)
    return rng.choice(
        (
            ("order", f"order {rng.randrange(10_000, 9_999_999)}"),
            ("order", f"ORD-{digits(rng, 6)}"),
            ("date", f"{day:%d/%m/%Y}"),
            ("date", f"{day:%Y-%m-%d} {rng.randrange(10, 24)}:{rng.randrange(10, 60)}"),
            ("date", f"{day:%d.%m.%Y}"),
            ("amount", f"£{n:,}.50"),
            ("amount", f"{n},90 EUR"),
            ("amount", f"Rp {n}.000"),
            ("version", f"version {n % 20}.{n % 7}.{n % 300}"),
            ("version", f"firmware 10.{n % 20}.{n % 7}.{n % 300}"),
            ("tracking", f"1Z{digits(rng, 3)}AA{digits(rng, 11)}"),
            ("tracking", f"RR{digits(rng, 9)}GB"),
            ("flight", f"BA{n % 10_000} at {n % 12 + 1}:30"),
            ("years", "2019 2020 2021 2022"),
            ("share", f"{n % 100}.{n % 10}% of {n % 1000} items"),
        )
    )


def make_samples(n: int, *, seed: int) -> list[Sample]:
    """Draw n samples of each kind, n of names, and three times as many decoys.

    Half of the values are announced by what they are, as people do when they are asked; the
    other half stand in a sentence that does not say.
    """
    rng = Random(seed)  # noqa: S311 - a seeded set, no secret
    samples: list[Sample] = []
    for kind, make in _MAKE.items():
        for _ in range(n):
            sort, value = make(rng)
            samples.append(_in_sentence(rng, kind, sort, value))
    for _ in range(n):
        sentences, sort = rng.choice(((_NAMED, "introduced"), (_IN_PASSING, "in passing")))
        samples.append(_cut("NAME", sort, rng.choice(sentences), _name(rng)[1]))
    for _ in range(3 * n):
        sort, value = _decoy(rng)
        samples.append(_cut("", sort, rng.choice(_CARRIERS[rng.choice(LANGUAGES)]), value))
    return samples


def _in_sentence(rng: Random, kind: str, sort: str, value: str) -> Sample:
    announced = _ID_ANNOUNCED.get(sort) or _ANNOUNCED.get(kind, ())
    if announced and rng.random() < 0.5:
        return _cut(kind, sort, rng.choice(announced), value)
    return _cut(kind, sort, rng.choice(_CARRIERS[rng.choice(LANGUAGES)]), value)


def _cut(kind: str, sort: str, sentence: str, value: str) -> Sample:
    before, after = sentence.split("{}")
    return Sample(kind, sort, before, value, after)


_WORDS = (
    "my order has not arrived and nobody can tell me when it will come I called three "
    "times about the parcel please help with refund account card payment app shows an "
    "error since Monday on phone website still waiting for answer they said would be "
    "here by Friday this is not right"
)


def make_texts(n: int, *, seed: int, words: int = 40, share: float = 0.2) -> list[str]:
    """Draw texts of so many words, of which a share carries one personal datum.

    Two in five carry an order number, a date, an amount or the like as well.
    """
    rng = Random(seed)  # noqa: S311 - a seeded set, no secret
    texts = []
    for _ in range(n):
        said = rng.choices(_WORDS.split(), k=words)
        if rng.random() < share:
            said[rng.randrange(words)] = rng.choice(tuple(_MAKE.values()))(rng)[1]
        if rng.random() < 0.4:
            said[rng.randrange(words)] = _decoy(rng)[1]
        texts.append(" ".join(said))
    return texts
