"""A million contacts re-themed: time, memory, growth; what sampling loses; how fast texts encode.

Measured twice over: what finds themes in all texts at once, and what the service does with a site
of so many contacts (`theme_site`), which reads a fair draw and assigns the whole history. The bars
are held against the service.

The million is made up from a seed: 200 themes and a tenth of texts without one, some 20 words
each, no two alike (equal texts would be themed once, so that life is kinder), with vectors of 384
numbers around a centre for each theme, in a file.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from sklearn.metrics import adjusted_mutual_info_score

from closedloop.bench.theme_bars import bar
from closedloop.bench.theme_sets import made_up_set, read_clinc
from closedloop.bench.theme_site import retheme
from closedloop.services.encoding import encode_plain
from ml.text.embed import DEFAULT_DIR, MAX_TOKENS, load_encoder

SEED = 20260402
SIZES = {False: (250_000, 1_000_000), True: (10_000, 40_000)}
N_ENCODED = {False: 12_000, True: 1_000}
SAMPLED = 5_000
N_CENTRES, DIMENSIONS = 200, 384
WORDS, OF_THEME = 20, 7
SHARE_WITHOUT_THEME = 0.1
SPREAD = 1.2
ROWS_MADE_AT_ONCE = 20_000

MOST_SECONDS, MOST_MB, MOST_EXPONENT = 240.0, 4_096.0, 1.1
MOST_LOSS, LEAST_SHARE = 0.02, 0.9
BATCH, TOKENS_PER_BATCH, THREADS, TIMES = 64, 4_096, 2, 3
_SECONDS = 3_600
PASSES = ("first", "again")
"""A run over a site where nothing is in force, and one over what that left."""

Report = dict[str, Any]
Tell = Callable[[str], None]


def scale_proof(*, small: bool, data: Path | None, tell: Tell) -> Report:
    """Measure discovery at two sizes, what sampling loses, and the rate of encoding.

    Parameters
    ----------
    small : bool
        40,000 texts instead of a million.
    data : Path, optional
        Directory with clinc150, to measure the loss on; without it the loss is not measured.
    tell : function of str
    """
    sizes = SIZES[small]
    with tempfile.TemporaryDirectory(prefix="closedloop-scale-") as name:
        directory = Path(name)
        tell(f"making {sizes[-1]:,} texts")
        truth = make_many(directory, sizes[-1], seed=SEED)
        runs, site = [], []
        for n in sizes:
            tell(f"finding themes in {n:,} texts")
            runs.append(discover_many(directory, n, truth))
            tell(f"theming a site of {n:,} contacts, twice")
            site.append(retheme(directory, n, truth))
    tell("what sampling loses")
    loss = None if data is None or not (data / "clinc150").is_dir() else sampling_loss(data)
    tell("encoding")
    return {
        "runs": runs,
        "exponent": _exponent(runs, "seconds"),
        "cpu_exponent": _exponent(runs, "cpu_seconds"),
        "site": site,
        "site_exponents": {
            name: _exponent([{"texts": one["contacts"], **one[name]} for one in site], "seconds")
            for name in PASSES
        },
        "sampling": loss,
        "encoding": encoding_rate(N_ENCODED[small]),
    }


def make_many(directory: Path, n: int, *, seed: int) -> NDArray[np.int64]:
    """Write n texts and their vectors to the directory; return their themes, -1 is none."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((N_CENTRES, DIMENSIONS))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    # the last row stands for texts without a theme
    centres = np.vstack([centres, np.zeros((1, DIMENSIONS))]).astype(np.float32)
    common, own = _make_words(4_000), _make_words(N_CENTRES * 30, at=4_000).reshape(N_CENTRES, 30)
    vectors = open_memmap(directory / "vectors.npy", "w+", np.float32, (n, DIMENSIONS))
    truth = generator.integers(0, N_CENTRES, n)
    truth[generator.random(n) < SHARE_WITHOUT_THEME] = -1
    with (directory / "texts.txt").open("w", encoding="utf-8") as file:
        for start in range(0, n, ROWS_MADE_AT_ONCE):
            themes = truth[start : start + ROWS_MADE_AT_ONCE]
            noise = generator.standard_normal((len(themes), DIMENSIONS), np.float32)
            rows = centres[themes] + SPREAD / math.sqrt(DIMENSIONS) * noise
            vectors[start : start + len(themes)] = rows / np.linalg.norm(
                rows, axis=1, keepdims=True
            )
            words = common[
                np.minimum(generator.zipf(1.3, (len(themes), WORDS)) - 1, len(common) - 1)
            ]
            picked = own[themes[:, None], generator.integers(0, 30, (len(themes), OF_THEME))]
            has_theme = themes >= 0
            words[has_theme, 5 : 5 + OF_THEME] = picked[has_theme]
            file.writelines(f"{' '.join(line)} no {start + i}\n" for i, line in enumerate(words))
    vectors.flush()
    return truth


def _make_words(n: int, at: int = 0) -> NDArray[np.object_]:
    """Return n words that can be spoken, all different."""
    parts = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    numbers = range(at, at + n)
    p = len(parts)
    return np.array(
        [parts[i % p] + parts[i // p % p] + parts[i // p // p] for i in numbers], object
    )


def discover_many(directory: Path, n: int, truth: NDArray[np.int64]) -> Report:
    """Find themes in the first n texts in a process of its own."""
    script = Path(__file__).with_name("theme_scale_child.py")
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-P", str(script), str(directory), str(n)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=_SECONDS,
    )
    report: Report = json.loads(done.stdout.splitlines()[-1])
    labels = np.load(directory / f"labels-{n}.npy")
    has_theme = truth[:n] >= 0
    some = np.flatnonzero(has_theme)[:100_000]
    report["ami"] = float(adjusted_mutual_info_score(truth[some], labels[some]))
    report["strangers_left_over"] = float(np.mean(labels[~has_theme] < 0))
    return report


def _exponent(runs: Sequence[Report], key: str) -> float:
    """Return the p for which a value grows like n^p between the first and the last run."""
    first, last = runs[0], runs[-1]
    return math.log(last[key] / first[key]) / math.log(last["texts"] / first["texts"])


def sampling_loss(data: Path) -> Report:
    """Return the AMI on clinc150 of a fit on all its texts, on 5,000 and on 10,000 of them."""
    from ml.themes import discover_themes

    whole = read_clinc(data)
    vectors = encode_plain(load_encoder(), whole.texts)
    ami = {}
    for name, n in (("all", len(whole.texts)), ("sampled", SAMPLED), ("twice", 2 * SAMPLED)):
        found = discover_themes(whole.texts, embeddings=vectors, max_fit=n)
        ami[name] = float(adjusted_mutual_info_score(whole.intents, found.labels))
    return {**ami, "n_sampled": SAMPLED, "loss": ami["all"] - ami["sampled"]}


def encoding_rate(n: int) -> Report:
    """Time our encoder and bare onnxruntime by turns; texts a second of the best of three.

    Bare is timed twice: the model alone, on texts that were split before and stand in batches of
    one length, and as most people write it: 64 texts at a time, padded to the longest.
    """
    texts = [f"{text} {i}" for i, text in enumerate(_long_texts(n))]
    encoder = load_encoder()
    encoder.encode(texts[:100])
    session, tokenizer = _bare_model()
    batches = _batches(tokenizer, texts)
    best = dict.fromkeys(("ours", "model_alone", "padded"), math.inf)
    for _ in range(TIMES):
        for name, work in (
            ("model_alone", lambda: [session.run(None, feed) for feed in batches]),
            ("ours", lambda: encoder.encode(texts)),
            ("padded", lambda: _encode_padded(session, tokenizer, texts)),
        ):
            started = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - started)
    rates: Report = {name: n / seconds for name, seconds in best.items()}
    bare = max(rates["model_alone"], rates["padded"])
    return {"texts": n, "per_second": rates, "share_of_bare": rates["ours"] / bare}


def _long_texts(n: int) -> list[str]:
    """Return n texts of some 20 words."""
    parts = made_up_set(3 * n, seed=SEED).texts
    words = " ".join(parts).split()
    generator = np.random.default_rng(SEED)
    lengths = generator.integers(15, 26, n)
    ends = np.cumsum(lengths) % (len(words) - 30)
    return [
        " ".join(words[end : end + length])
        for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)
    ]


def _bare_model() -> tuple[Any, Any]:
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(DEFAULT_DIR / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    tokenizer = Tokenizer.from_file(str(DEFAULT_DIR / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    return session, tokenizer


def _batches(tokenizer: Any, texts: Sequence[str]) -> list[dict[str, NDArray[np.int64]]]:
    by_length: dict[int, list[list[int]]] = {}
    for encoding in tokenizer.encode_batch_fast(list(texts)):
        by_length.setdefault(len(encoding.ids), []).append(encoding.ids)
    batches = []
    for length, rows in sorted(by_length.items()):
        step = max(1, TOKENS_PER_BATCH // length)
        for start in range(0, len(rows), step):
            ids = np.array(rows[start : start + step], np.int64)
            batches.append({"input_ids": ids, "attention_mask": np.ones_like(ids)})
    return batches


def _encode_padded(session: Any, tokenizer: Any, texts: Sequence[str]) -> None:
    for start in range(0, len(texts), BATCH):
        rows = [found.ids for found in tokenizer.encode_batch(texts[start : start + BATCH])]
        longest = max(map(len, rows))
        ids = np.array([row + [0] * (longest - len(row)) for row in rows], np.int64)
        mask = np.array([[1] * len(row) + [0] * (longest - len(row)) for row in rows], np.int64)
        session.run(None, {"input_ids": ids, "attention_mask": mask})


def scale_bars(scale: Report) -> list[Report]:
    """Return the bars of scale; seconds, memory and growth only count at a million contacts.

    Of the two passes of the service the slower one counts.
    """
    last = scale["site"][-1]
    is_whole = last["contacts"] >= SIZES[False][-1]
    loss = None if scale["sampling"] is None else scale["sampling"]["loss"]

    def worst(key: str) -> float | None:
        return max(last[name][key] for name in PASSES) if is_whole else None

    growth = max(scale["site_exponents"].values()) if is_whole else None
    return [
        bar("a million contacts: seconds", worst("seconds"), None, MOST_SECONDS),
        bar("a million contacts: peak MB", worst("peak_mb"), None, MOST_MB),
        bar("growth of time, exponent", growth, None, MOST_EXPONENT),
        bar("AMI lost by sampling, clinc150", loss, None, MOST_LOSS),
        bar(
            "encoding, share of bare onnxruntime",
            scale["encoding"]["share_of_bare"],
            LEAST_SHARE,
            None,
        ),
    ]


def scale_lines(scale: Report) -> list[str]:
    """Return what was measured as lines of text."""
    lines = ["scale, the service on a site of contacts that have their vectors"]
    for one in scale["site"]:
        lines += [
            f"  {one['contacts']:>9,} contacts, {_PASS_WORDS[name]}: {one[name]['seconds']:.0f} s "
            f"({one[name]['cpu_seconds']:.0f} s of processor), peak {one[name]['peak_mb']:.0f} MB, "
            f"{one[name]['read']:,} read, {one[name]['themes']} themes"
            for name in PASSES
        ]
        lines.append(
            f"            AMI {one['ami']:.3f} against {N_CENTRES} kinds, "
            f"{one['left_over']:.1%} in no theme"
        )
    lines.append(
        "  time grows like "
        + ", ".join(f"n^{scale['site_exponents'][name]:.2f} {_PASS_WORDS[name]}" for name in PASSES)
    )
    lines.append("scale, themes found in all texts at once")
    lines += [
        f"  {r['texts']:>9,} texts: {r['seconds']:.0f} s ({r['cpu_seconds']:.0f} s of processor), "
        f"peak {r['peak_mb']:.0f} MB, {r['themes']} themes of {N_CENTRES}, AMI {r['ami']:.3f}"
        for r in scale["runs"]
    ]
    lines.append(
        f"  time grows like n^{scale['exponent']:.2f}, processor n^{scale['cpu_exponent']:.2f}"
    )
    if sampling := scale["sampling"]:
        lines.append(
            f"  clinc150 fitted on all: AMI {sampling['all']:.3f}; on {sampling['n_sampled']:,}, "
            f"the rest assigned: {sampling['sampled']:.3f}; on twice as many: "
            f"{sampling['twice']:.3f}"
        )
    rates, of_bare = scale["encoding"]["per_second"], scale["encoding"]["share_of_bare"]
    lines.append(
        f"  encoding {rates['ours']:.0f} texts a second, {of_bare:.0%} of "
        f"the faster of the model alone ({rates['model_alone']:.0f}) and padded batches "
        f"({rates['padded']:.0f})"
    )
    return lines


_PASS_WORDS = {"first": "for the first time", "again": "once more"}
