"""Names by a list: what the list adds to the cues, whatever list it is."""

from __future__ import annotations

import pytest

from ml.text.redact import RedactionRules, Redactor, UnusableRules
from ml.text.redact_listed import ListedNames, is_list_installed

NAMES = ListedNames(frozenset({"ann", "mark", "greta"}), frozenset({"smith", "bank", "kaya"}))
REDACTOR = Redactor(names=NAMES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I spoke to Ann Smith on Monday", "I spoke to [NAME] on Monday"),
        ("Then Greta B. Kaya rang", "Then [NAME] rang"),
        ("it was Greta Unlisted who said so", "it was [NAME] who said so"),
        ("my name is greta kaya and i wait", "my name is [NAME] and i wait"),
        ("my name is on the bill", "my name is on the bill"),
        ("Mark my words, Mark Smith", "Mark my words, Mark Smith"),  # a word as well: not listed
        ("Ann Bank opened", "Ann Bank opened"),
        ("ann smith did", "ann smith did"),
    ],
)
def test_a_listed_given_name_before_a_family_name_is_a_name(text, expected):
    assert REDACTOR.redact(text).text == expected


def test_rules_that_ask_for_a_list_that_is_not_installed_are_refused():
    if is_list_installed():
        pytest.skip("the list of names is installed here")
    with pytest.raises(UnusableRules, match=r"closedloop\[names\]"):
        Redactor.from_rules(RedactionRules(names="list"))
