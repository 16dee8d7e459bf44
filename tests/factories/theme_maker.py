"""A small maker of themes for tests: one topic word a theme, vectors one can read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from closedloop.services.definitions import ThemeMaker
from ml.themes.branches import Branch, grow_branch, pack, unpack

DIMENSIONS = 64
_TOPIC = re.compile(r"[a-z]+\d*")


class WordEncoder:
    """Each word is a direction; remembers what was encoded.

    The first word of a text, where it is letters and then digits, is its topic, and so is a word in
    capitals: they weigh five times as much. Case makes no other difference, for texts are encoded
    without it.
    """

    dimensions = DIMENSIONS

    def __init__(self, name: str = "words@1") -> None:
        self.name = name
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.encoded += texts
        rows = np.array([sum(_weighed(text.split())) for text in texts])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _weighed(words: list[str]) -> list[np.ndarray]:
    return [
        word_vector(word) * (5 if place == 0 and _TOPIC.fullmatch(word) else 1)
        for place, word in enumerate(words)
    ]


def word_vector(word: str) -> np.ndarray:
    """A fixed random direction; a word in capitals is a topic and weighs five times as much."""
    seed = int.from_bytes(hashlib.sha256(word.lower().encode()).digest()[:4], "big")
    vector = np.random.default_rng(seed).normal(size=DIMENSIONS)
    return vector * (5 if word.isupper() else 1)


@dataclass
class TopicModel:
    """A label a topic word: a text belongs to the nearest one of cosine .6 or more.

    A label that was branched off another has no topic, but a branch.
    """

    topics: list[str | None]
    branches: list[Branch] = field(default_factory=list)

    @property
    def n_themes(self) -> int:
        return len(self.topics)

    def assign(self, vectors):
        if not any(self.topics):
            return np.full(len(vectors), -1), np.zeros(len(vectors))
        centres = np.array([word_vector(t) if t else -np.ones(DIMENSIONS) for t in self.topics])
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        cosines = vectors @ centres.T
        best = cosines.argmax(axis=1)
        confidence = cosines[np.arange(len(best)), best]
        labels = np.where(confidence >= 0.6, best, -1)
        for branch in self.branches:
            labels = branch.apply(labels, vectors)
        return labels, confidence

    def nearness(self, vectors):
        if not self.topics:
            return np.zeros((len(vectors), 0), np.float32)
        centres = np.array([word_vector(topic) for topic in self.topics])
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        return np.maximum(vectors @ centres.T / 0.6, 0).astype(np.float32)

    def restrict(self, labels):
        place = {label: new for new, label in enumerate(labels)}
        branches = [
            branch.renumber(place[branch.source], place.get(branch.label, -1))
            for branch in self.branches
            if branch.source in place
        ]
        return TopicModel([self.topics[label] for label in labels], branches)

    def branch(self, label, *, members, examples):
        new = grow_branch(label, self.n_themes, members, examples)
        return TopicModel([*self.topics, None], [*self.branches, new])

    def rejoin(self, labels):
        topics = list(self.topics)
        while len(topics) - 1 in labels:
            topics.pop()
        return TopicModel(topics, [b for b in self.branches if b.label not in labels])

    def prototypes(self, label):
        for branch in self.branches:
            if branch.label == label:
                return branch.leaving
        vector = word_vector(self.topics[label])[None]
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def to_bytes(self) -> bytes:
        arrays = {name: array.tolist() for name, array in pack(tuple(self.branches)).items()}
        return json.dumps([self.topics, arrays]).encode()

    @staticmethod
    def from_bytes(content: bytes) -> TopicModel:
        topics, arrays = json.loads(content)
        packed = {name: np.array(values) for name, values in arrays.items()}
        return TopicModel(topics, list(unpack(packed)))

    @staticmethod
    def combine(models, *, in_turn=False) -> TopicModel:
        topics, branches = [], []
        for model in models:
            for branch in model.branches:
                label = branch.label + len(topics) if branch.label >= 0 else -1
                branches.append(branch.renumber(branch.source + len(topics), label))
            topics += model.topics
        return TopicModel(topics, branches)


@dataclass
class Discoverer:
    """Finds the topic words of texts, by falling size; remembers what it was given."""

    calls: list[dict] = field(default_factory=list)

    def __call__(self, texts, *, encoder, seed, embeddings, dispositions, **links):
        given = {"texts": list(texts), "seed": seed, "dispositions": list(dispositions)}
        self.calls.append(given | links)
        assert embeddings.shape == (len(texts), encoder.dimensions)
        sizes: dict[str, int] = {}
        for text in texts:
            for topic in (word for word in text.split() if word.isupper()):
                sizes[topic] = sizes.get(topic, 0) + 1
        topics = sorted(sizes, key=lambda topic: (-sizes[topic], topic))
        model = TopicModel(topics)
        labels, confidence = model.assign(embeddings)
        themes = [
            SimpleNamespace(name=topic.title(), keywords=(topic.lower(),), size=sizes[topic])
            for topic in topics
        ]
        return SimpleNamespace(
            labels=labels,
            confidence=confidence,
            themes=themes,
            model=model,
            parameters={"resolution": np.float64(1.5), "seed": seed},
        )


def make_maker(encoder: WordEncoder | None = None, discover=None) -> ThemeMaker:
    """Return a maker that needs neither a language model nor a graph."""
    encoder = encoder or WordEncoder()
    return ThemeMaker(
        load_encoder=lambda _name: encoder,
        discover=discover or Discoverer(),
        read_model=TopicModel.from_bytes,
        combine=TopicModel.combine,
    )
