"""Find e-mail addresses, however they are spelled, web addresses with secrets, IP addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv6Address, IPv6Network

from ml.text.redact_shapes import Span

# an address ends where a space, a bracket or a script that none is written in begins
_IN_URL = r'[^\s<>"\u3000-\u9fff\uac00-\ud7af\uff00-\uffef]'
_URL_WITH_LOGIN = re.compile(
    rf"\b[a-z][a-z0-9+.-]{{0,20}}://[^\s/@<>\"]+@{_IN_URL}+", re.IGNORECASE
)
_URL_WITH_SECRET = re.compile(
    r"(?:\b(?:https?://|wss?://|www\.)|(?<![\w.@/-])(?:[\w-]{1,63}\.){1,4}[a-z]{2,24}/)"
    r"[^\s<>\"?#]{0,300}[?#][^\s<>\"]{0,300}?(?<![a-z0-9])"
    r"(?:(?:access_?|id_?|refresh_?|auth_?)?token|auth|authorization|jwt|otp|password|passwd|pwd|pw"
    r"|pass|(?:client_?)?secret|api_?key|key|session(?:_?id)?|sid|sig|signature|code|credentials?)"
    rf"={_IN_URL}+",
    re.IGNORECASE,
)

# what opens an account by itself: a signed token, or a long mix of letters and digits in the path
_URL_WITH_PASS = re.compile(
    rf"\b(?:https?://|www\.)[^\s<>\"?#]{{1,300}}?/(?:eyJ[\w-]{{10,}}\.|"
    rf"(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{{24,}}(?![\w-])){_IN_URL}*",
)
_URL_WITH_EMAIL = re.compile(
    rf"\b(?:https?://|www\.){_IN_URL}{{1,300}}?(?:%40|@)(?:[\w-]+\.)+[a-z]{{2,}}{_IN_URL}*",
    re.IGNORECASE,
)

_URLS_TO_HIDE = (_URL_WITH_LOGIN, _URL_WITH_SECRET, _URL_WITH_PASS, _URL_WITH_EMAIL)

_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_DOMAIN = re.compile(
    rf"(?:(?:{_LABEL}\.)+(?:xn--[\w-]+|[^\W\d_]{{2,24}})|\[?\d{{1,3}}(?:\.\d{{1,3}}){{3}}\]?)"
)
_LOCAL_END = re.compile(r"[\w!#$%&'*+/=?^`{|}~.-]+$")
_QUOTED_LOCAL_END = re.compile(r'"[^"\n]{1,64}"$')
_LOCAL_WINDOW = 400
_COMMON_ENDING = re.compile(
    r"\.(?:com|org|net|edu|gov|info|biz|io|me|co|uk|ie|de|fr|es|it|nl|eu|us|ca|au|in|lt|id|cn)$",
    re.IGNORECASE,
)
# a placeholder of the source in front of an @ is no person; other braces may be in an address
_VENDOR_TOKEN_END = re.compile(
    r"(?:\{|__)(?:first_?|last_?|user_?|customer_?)?(?:name|email|user|customer|pii|phone|number)"
    r"(?:\}|__)$",
    re.IGNORECASE,
)

# as keyboards of Chinese and Japanese write them
_WIDE_SIGNS = str.maketrans("＠﹫．", "@@.")

# Spelled out: "ann dot smith at example dot org", "ann [at] example [dot] org".
_DOT = r"(?:\.|\s\.\s|\s?[\[({<]\s?(?:dot|punkt|\.)\s?[\])}>]\s?|\s(?:dot|punkt|titik|taškas)\s)"
_JOIN = rf"(?:{_DOT}|\s(?:underscore|dash|hyphen|minus|plus|unterstrich|bindestrich)\s)"
_TLD = (
    r"(?:com|org|net|edu|gov|info|biz|io|co|uk|ie|de|fr|es|it|nl|eu|us|ca|au|in|lt|id|cn|at|ch|pl"
    r"|me|app|dev|example|test)"
)
_AT = re.compile(
    r"\s?[\[({<]\s?(?:at|ät|@)\s?[\])}>]\s?|\s(?:at|ät|eta)\s(?:the\srate\s(?:of\s)?)?",
    re.IGNORECASE,
)
_MAY_BE_AT = re.compile(r"@|[\s\[({<](?:at|ät|eta)[\s\])}>]", re.IGNORECASE)
_AT_WORD = re.compile(r"\w")
_SPELLED_DOMAIN = re.compile(
    rf"[a-z0-9-]{{1,63}}(?:{_DOT}[a-z0-9-]{{2,63}}){{0,3}}?{_DOT}{_TLD}(?![\w-])"
    rf"(?:{_DOT}(?:uk|au|id|in|cn|nz|za|lt)(?![\w-]))?",
    re.IGNORECASE,
)
_SPELLED_LOCAL = re.compile(rf"[\w.+'-]{{1,64}}(?:{_JOIN}[\w+'-]{{1,64}}){{0,4}}$", re.IGNORECASE)
_HAS_MARK = re.compile(rf"[\d_+]|\w\.\w|{_JOIN}", re.IGNORECASE)
_MAIL_CUE = re.compile(
    r"\b(?:e-?mails?|mails?|email address|write(?: me| us)? to|adresse|address is|paštas|surel)\b",
    re.IGNORECASE,
)
_PROVIDER = re.compile(
    r"(?:gmail|googlemail|hotmail|yahoo|outlook|icloud|gmx|web|aol|proton(?:mail)?|live|msn|ymail"
    r"|btinternet|t-online|qq|163|126|inbox)\W",
    re.IGNORECASE,
)
_PROVIDER_ALONE = re.compile(
    r"(?:gmail|googlemail|hotmail|yahoo|outlook|icloud|gmx|aol|proton(?:mail)?|live|msn|ymail)"
    r"(?:,\s?(?:com|net|de|fr|it|co))?(?![\w-])",
    re.IGNORECASE,
)
# in front of "at amazon dot com" these are no mailbox
_NO_MAILBOX_WORDS = (
    "a an and are at available be been bought browse buy check did do find for found from get got "
    "had has have here him her i in is it item items just listed look looked looking me not off "
    "offer on one online or order ordered out page price purchase purchased read saw see seen "
    "shop shopped shopping site so sold stuff that the them there they things this to up us was "
    "we website were you your"
)
_NO_MAILBOX = frozenset(_NO_MAILBOX_WORDS.split())
_CUE_WINDOW = 60
# "ann @ gmail . com": only endings that begin no sentence
_SPACED_DOMAIN = re.compile(
    rf"{_LABEL}(?:\s?\.\s?{_LABEL}){{0,2}}?\s?\.\s?(?:com|org|net|edu|gov|info|biz)(?!\w)",
    re.IGNORECASE,
)

_IP = re.compile(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)")
_IPV6 = re.compile(
    r"(?<![\w.-])(?<!::)(?:[0-9a-f]{1,4}:|::)(?:[0-9a-f]{0,4}:){0,7}"
    r"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4})(?![0-9a-z_:]|\.\d)",
    re.IGNORECASE,
)
_IPV6_IN_USE = IPv6Network("2000::/3")
"""Everything that is routed today; a time or `add::face` in source code lies outside."""
_VERSION_END = re.compile(
    r"(?:\bv|version|firmware|release|build|rel|ver|software|ios|android|app)\W{0,3}(?:is\s)?$",
    re.IGNORECASE,
)


def may_spell_email(text: str) -> bool:
    """Whether a text has an @, or an "at" as addresses are spelled out, cheaply."""
    if not text.isascii() and any(sign in text for sign in "＠﹫"):
        return True
    return " at " in text or _MAY_BE_AT.search(text) is not None


def find_urls(text: str) -> Iterator[Span]:
    """Find web addresses that carry a login, a secret or an e-mail address."""
    if may_hold_url(text):
        for pattern in _URLS_TO_HIDE:
            for match in pattern.finditer(text):
                stop = len(match[0].rstrip(".,;:!?)'*")) or len(match[0])
                yield match.start(), match.start() + stop


def find_emails(text: str) -> Iterator[Span]:
    """Look to both sides of every @, and of every "at" that a spelled-out domain follows."""
    if not text.isascii():
        text = text.translate(_WIDE_SIGNS)
    at = text.find("@")
    while at >= 0:
        if span := _email_around(text, at):
            yield span
        at = text.find("@", at + 1)
    yield from _find_spelled_emails(text)


def _email_around(text: str, at: int) -> Span | None:
    right = at + 1 + (text[at + 1 : at + 2] in (" ", "\t"))
    domain = _DOMAIN.match(text, right)
    left = at - (text[at - 1 : at] in (" ", "\t"))
    before = text[max(0, left - _LOCAL_WINDOW) : left]
    local = _LOCAL_END.search(before) or _QUOTED_LOCAL_END.search(before)
    is_spaced = right > at + 1 or left < at
    if domain is None and not is_spaced:  # "ann@gmail", "ann@gmail,com"
        domain = _PROVIDER_ALONE.match(text, right)
    if domain is None or (is_spaced and not _COMMON_ENDING.search(domain[0])):
        # "thanks @shop.Please" is a greeting, not an address
        domain = _SPACED_DOMAIN.match(text, right)
    if domain is None or local is None or _VENDOR_TOKEN_END.search(before):
        return None
    return left - len(local[0]), domain.end()


def _find_spelled_emails(text: str) -> Iterator[Span]:
    for at in _AT.finditer(text):
        domain = _SPELLED_DOMAIN.match(text, at.end())
        if domain is None:
            continue
        before = text[max(0, at.start() - _LOCAL_WINDOW) : at.start()]
        local = _SPELLED_LOCAL.search(before)
        if local is None or not _AT_WORD.search(local[0]):
            continue
        if (
            "@" in at[0]
            or "rate" in at[0].lower()
            or at[0].strip() != at[0].strip(" []{}()<>")
            or _is_mailbox(local[0], domain[0], before[: local.start()])
        ):
            yield at.start() - len(local[0]), domain.end()


def _is_mailbox(local: str, domain: str, before: str) -> bool:
    """Tell "write to ann at shop dot org" from "I bought it at shop dot org"."""
    is_address = bool(_HAS_MARK.search(local) or _PROVIDER.match(domain))
    return local.lower() not in _NO_MAILBOX and (
        is_address or _MAIL_CUE.search(before[-_CUE_WINDOW:]) is not None
    )


def find_ips(text: str) -> Iterator[Span]:
    """Find public IPv4 addresses; versions of software and private networks are none."""
    for match in _IP.finditer(text):
        if _VERSION_END.search(text[max(0, match.start() - 12) : match.start()]):
            continue
        try:
            address = IPv4Address(match[0])
        except AddressValueError:
            continue
        if address.is_global and address.packed[0] > 9:
            yield match.span()


def may_hold_url(text: str) -> bool:
    """Whether a text may have a web address with a secret in it, cheaply."""
    return "://" in text or "www." in text or ("=" in text and "/" in text and "?" in text)


def may_hold_ipv6(text: str) -> bool:
    """Whether a text has the colons of an IPv6 address, cheaply."""
    return "::" in text or text.count(":") > 6


def find_ipv6s(text: str) -> Iterator[Span]:
    """Find public IPv6 addresses, with the brackets a web address puts around them."""
    for match in _IPV6.finditer(text):
        try:
            address = IPv6Address(match[0])
        except AddressValueError:
            continue
        inner = address.ipv4_mapped
        if inner.is_global if inner else address in _IPV6_IN_USE and address.is_global:
            start, end = match.span()
            is_bracketed = text[start - 1 : start] == "[" and text[end : end + 1] == "]"
            yield start - is_bracketed, end + is_bracketed
