"""Greetings and thanks of other languages than English, which say nothing of the issue.

Small lists: what most conversations begin and end with. No word of them is one of English, so
that they change nothing about English texts.
"""

from __future__ import annotations

import re

_LITHUANIAN = (
    "labas labą laba sveiki sveikas sveika diena dieną rytas rytą vakaras vakarą ačiū aciu dėkui "
    "dekui dėkoju dekoju prašom prašau gerai gražios viso"
)
_INDONESIAN = (
    "halo selamat pagi siang malam assalamualaikum permisi kak kakak pak bapak ibu mbak terima "
    "kasih terimakasih makasih trims oke baik saya aku mau ingin tanya bertanya"
)
COURTEOUS_WORDS = frozenset(f"{_LITHUANIAN} {_INDONESIAN}".split())
"""Words of languages with spaces that say nothing about the issue, alone or together."""

# Longer ones first, as the first that fits is taken.
_UNSPACED = (
    "你好啊 你好 您好 哈喽 早上好 上午好 中午好 下午好 晚上好 请问一下 請問一下 请问 請問 在吗 "
    "在嗎 有人吗 有人嗎 我想问一下 我想問一下 想问一下 想問一下 我想咨询一下 想咨询一下 "
    "谢谢你 谢谢您 谢谢 謝謝你 謝謝您 謝謝 感谢 感謝 多谢 多謝 麻烦了 辛苦了 不客气 好的 再见 再見 "
    "こんにちは おはようございます こんばんは ありがとうございます ありがとう "
    "お世話になっております すみません "
    "สวัสดีครับ สวัสดีค่ะ สวัสดีคะ สวัสดี ขอบคุณครับ ขอบคุณค่ะ ขอบคุณ"
)
_COURTESY = re.compile("|".join(map(re.escape, _UNSPACED.split())))


def without_courtesies(text: str) -> str:
    """Return the text with a blank for each courtesy in writing without spaces."""
    return _COURTESY.sub(" ", text)
