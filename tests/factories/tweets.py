"""A hundred and fifty short messages as people write them in public: tags, links, names, signs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, 8, tzinfo=UTC)

SAID = {
    "skip": [
        "songs keep skipping after ten seconds",
        "every track skips half way thru on my phone",
        "why do tracks skip by themselves when the screen is off",
        "playback skips to the next song on its own",
        "my playlist skips songs all the time since the update",
        "skipping songs without me touching anything",
    ],
    "charged": [
        "I was charged twice for premium this month",
        "charged for premium although I cancelled in march",
        "you took the money two times, I want a refund",
        "double charge on my card for one subscription",
        "premium was charged again after I cancelled it",
        "my card got charged and my account is still free",
    ],
    "login": [
        "can't log in, it says wrong password and the reset mail never comes",
        "the password reset email does not arrive",
        "locked out of my account, login with facebook fails",
        "login says something went wrong every time",
        "can not sign in on my laptop, password is right",
        "I get logged out and the app does not take my password",
    ],
    "offline": [
        "downloaded songs are gone when I am offline",
        "all my downloads vanished over night",
        "offline mode shows my downloads greyed out",
        "have to download my whole library again, downloads lost",
        "my downloaded playlists do not play without internet",
        "downloads get stuck at waiting to download",
    ],
    "shuffle": [
        "shuffle plays the same twenty songs of a list of 900",
        "is shuffle really random? same artists every day",
        "shuffle repeats songs I heard an hour ago",
        "your shuffle starts with the same song each morning",
        "shuffle button does nothing, plays in order",
        "please fix shuffle, it is not random at all",
    ],
}
"""What five kinds of messages say, six ways each."""

WRAPPED = (
    "@SpotifyCares {} 😡😡",
    "hey @SpotifyCares, {}!!! https://t.co/a8Xk2{n} #spotify #help",
    "{} 🤦\u200d♀️ any ideas @SpotifyCares @115888?",
    ".@Spotify {}... #SpotifyDown #fixit &amp; pls answer my DM 🙏🏽",
    "RT @some_one_{n}: {} \u201csmh\u201d http://bit.ly/2x{n}",
)
"""What stands around it: five ways, so that there are 150 messages."""

EMPTY = ("@SpotifyCares", "🎧🎧🎧", "#NowPlaying https://t.co/zZ9", "😂", "@SpotifyCares 👍 thx!")
"""Messages that say nothing, put among the others."""


def tweets() -> list[tuple[str, str]]:
    """Return kind and message of each, in an order that mixes the kinds."""
    lines = [
        (kind, way.replace("{n}", f"{place}{turn}").replace("{}", said))
        for place in range(6)
        for turn, way in enumerate(WRAPPED)
        for kind, many in SAID.items()
        for said in [many[place]]
    ]
    return lines


def tweets_csv() -> str:
    """Return the messages as a file: each author writes about the same again three days later."""
    rows = [*tweets(), *(("nothing", text) for text in EMPTY)]
    lines = ["tweet_id,author_id,created_at,text"]
    for number, (kind, text) in enumerate(rows):
        place = number // len(SAID)
        author = f"{kind}{place // 2}"
        at = START + timedelta(days=3 * (place % 2) + place // 2, minutes=number)
        quoted = text.replace('"', '""')
        lines.append(f'{100_000 + number},{author},{at.isoformat()},"{quoted}"')
    return "\n".join(lines) + "\n"
