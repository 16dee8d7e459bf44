"""Small words that betray a language at once, so that most texts need no model."""

from __future__ import annotations

from collections import Counter

_LISTS = {
    "en": "the and i my to of for you your is was have has had not it that this with they are on "
    "but be been when what how would could can't don't didn't there their which from about will "
    "because me we he she them who why where want need still get got please any been after",
    "de": "der die das und ich nicht ist ein eine einen einem mit auf für von zu den dem sie wir "
    "es im auch habe hat haben wurde werden wird noch nach bei aus wie aber oder wenn mein meine "
    "meinen meiner bitte kann keine kein über seit sind war immer mehr",
    "fr": "le les des et je pas est une un que qui dans pour sur avec vous nous mon ma mes votre "
    "vos été ai avez sont cette ce mais ou où depuis plus bien très n'est c'est j'ai je suis au "
    "aux du leur toujours encore sans",
    "es": "el los las y que en una por para con no es mi mis su sus pero como más cuando porque "
    "está estoy tengo han hemos desde muy ya sin sobre del al lo me se le quiero puedo todavía",
    "it": "il lo gli di che è non una per con sono mi mia mio ho ha hanno della del dei delle nel "
    "alla anche ma come più quando perché ancora questo questa da si ci dopo stato",
    "nl": "de het een en ik niet is van voor met op aan dat die maar heb heeft hebben wordt "
    "werd nog naar bij uit hoe als mijn geen ook kan zijn was deze naar jullie graag",
    "pt": "o os as e não uma um que para com meu minha meus mas por mais foi está estou tenho "
    "são como quando porque ainda já muito dos das pelo pela você vocês",
    "pl": "i w nie na się z do jest że to jak ale mam moje mój moja przez był była jeszcze "
    "czy tego dla po od już co tak",
    "sv": "och jag att det som en är på för med inte har den av till ett mitt min mina men "
    "om kan vi fick hur när från vad",
    "lt": "ir kad aš mano į iš su ne yra bet kaip ar buvo jau man dar po už tai labai kai nuo "
    "kodėl negaliu nėra mes jūsų prašau noriu šiandien",
    "lv": "un ka es mans mana uz ir nav bet kā ar vai bija jau man vēl pēc no tas ļoti kad "
    "kāpēc nevaru mēs jūsu lūdzu gribu",
    "id": "dan yang di saya tidak ini itu dengan untuk dari ke ada sudah belum bisa akan kami "
    "anda apa kenapa tolong mohon pada juga atau karena tapi masih sejak kapan mau telah",
    "tr": "ve bir bu için ile ben benim değil var yok ama gibi çok daha kadar olarak neden "
    "nasıl bana hala sonra",
}


def small_words_of(language: str) -> frozenset[str]:
    """Return the small words of a language (ISO 639-1); empty where none are listed."""
    return frozenset(_LISTS.get(language, "").split())


def _distinctive() -> dict[str, str]:
    """Return word to language, for words that stand in one list only."""
    lists = {code: set(words.split()) for code, words in _LISTS.items()}
    n_lists = Counter(word for words in lists.values() for word in words)
    return {w: code for code, words in lists.items() for w in words if n_lists[w] == 1}


_LANGUAGE_OF = _distinctive()
_KNOWN = frozenset(_LANGUAGE_OF)
_LEAST_WORDS = 4
_LEAD = 4
_MOST_WORDS = 60


def language_by_small_words(text: str) -> str:
    """Return the language that at least four different small words speak for, else "".

    Another language may have at most a quarter as many, so that a mixed text is left to the
    model.
    """
    words = _KNOWN.intersection(text.lower().split(None, _MOST_WORDS)[:_MOST_WORDS])
    spoken_for = [_LANGUAGE_OF[word] for word in words]
    if len(spoken_for) < _LEAST_WORDS:
        return ""
    if len(set(spoken_for)) == 1:
        return spoken_for[0]
    ranking = Counter(spoken_for).most_common(2)
    if ranking[0][1] < _LEAST_WORDS:
        return ""
    second = ranking[1][1] if len(ranking) > 1 else 0
    return ranking[0][0] if second * _LEAD <= ranking[0][1] else ""
