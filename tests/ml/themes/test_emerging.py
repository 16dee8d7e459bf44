"""Dense spots in a pile of left-overs: found when they rise, silent when nothing does."""

from __future__ import annotations

import numpy as np
import pytest

from ml.themes import emerging
from ml.themes.emerging import adjust, find_emerging, find_spots, fit_spot, rise_p_value
from ml.themes.vectors import unit

LAST_DAY = 55
EVEN = (1000.0, 1000.0)


def around(rng, centre, n, spread):
    return unit(centre + spread * rng.normal(size=(n, len(centre))) / np.sqrt(len(centre)))


def make_pile(seed, n=2000, dimensions=64):
    """Noise, a third of it in loose groups that do not rise: days and people are drawn evenly."""
    rng = np.random.default_rng(seed)
    scattered = unit(rng.normal(size=(n - n // 3, dimensions)))
    centres = unit(rng.normal(size=(20, dimensions)))
    groups = np.vstack([around(rng, centre, n // 60 + 1, 1.0) for centre in centres])[: n // 3]
    vectors = np.vstack([scattered, groups]).astype(np.float32)
    days = rng.integers(0, 56, len(vectors))
    people = rng.integers(0, n, len(vectors))
    return rng, vectors, days, people


def plant(pile, n=30, later=27):
    """Add a spot of so many customers, most of them in the later half."""
    rng, vectors, days, people = pile
    spot = around(rng, unit(rng.normal(size=(1, vectors.shape[1])))[0], n, 0.6)
    when = np.concatenate([rng.integers(28, 56, later), rng.integers(0, 28, n - later)])
    return (
        np.vstack([vectors, spot]).astype(np.float32),
        np.concatenate([days, when]),
        np.concatenate([people, 100_000 + np.arange(n)]),
    )


def look(vectors, days, people, texts=None, **values):
    texts = texts or [f"noise{i}" for i in range(len(vectors))]
    given = {"last_day": LAST_DAY, "exposure": EVEN, **values}
    return find_emerging(vectors, days, people, texts, **given)


@pytest.mark.parametrize(
    ("later", "before", "exposure", "expected"),
    [
        (9, 1, (1, 1), 11 / 1024),  # nine or ten heads of ten
        (10, 0, (5, 5), 1 / 1024),
        (3, 0, (3, 1), 0.75**3),
        (1, 1, (1, 3), 1 - 0.75**2),
        (0, 7, (1, 1), 1.0),
        (0, 0, (1, 1), 1.0),
        (7, 0, (10, 0), 1.0),  # nothing to compare with
    ],
)
def test_the_chance_of_a_rise_is_binomial_given_the_total(later, before, exposure, expected):
    assert rise_p_value(later, before, *exposure) == pytest.approx(expected)


def test_adjusting_multiplies_by_the_number_of_tests_over_the_rank_and_never_falls():
    assert adjust([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert adjust([0.5, 0.9]) == pytest.approx([0.9, 0.9])
    assert len(adjust([])) == 0


def test_a_spot_of_thirty_customers_in_two_thousand_is_found_with_its_counts():
    vectors, days, people = plant(make_pile(1, n=1970))
    texts = ["the lift is stuck"] * len(vectors)
    texts[:1970] = [f"noise{i}" for i in range(1970)]

    (spot,) = look(vectors, days, people, texts)

    planted = set(range(1970, 2000))
    assert len(planted & set(spot.members.tolist())) >= 20
    assert len(set(spot.members.tolist()) - planted) <= 3
    assert spot.customers >= 18
    assert spot.customers_before <= 3
    assert spot.name == "Lift stuck"
    assert np.linalg.norm(spot.prototype) == pytest.approx(1, abs=1e-5)
    nearness = vectors[spot.members] @ spot.prototype
    assert (np.diff(nearness) <= 1e-6).all()


def test_a_spot_as_dense_that_does_not_rise_is_not_told():
    vectors, days, people = plant(make_pile(1, n=1970), later=15)

    assert look(vectors, days, people) == []


def test_a_rise_of_everything_is_no_rise_of_the_spot():
    vectors, days, people = plant(make_pile(1, n=1970))

    assert look(vectors, days, people, exposure=(9000.0, 1000.0)) == []


def test_one_customer_who_calls_thirty_times_is_one_customer():
    vectors, days, people = plant(make_pile(1, n=1970))
    people[1970:] = 7

    assert look(vectors, days, people) == []


def test_days_outside_both_spans_are_not_counted():
    vectors, days, people = plant(make_pile(1, n=1970))
    days[1970:1990] = LAST_DAY + 1

    found = look(vectors, days, people, fewest_customers=1)

    assert all(spot.customers <= 10 for spot in found)


def test_noise_alone_raises_an_alarm_in_few_nights():
    alarms = sum(bool(look(*make_pile(seed, n=900)[1:])) for seed in range(20))

    assert alarms <= 2  # one of twenty nights is what is allowed for


def test_equal_input_gives_equal_spots_and_a_draw_depends_on_the_seed_alone(monkeypatch):
    vectors, _, _ = plant(make_pile(2, n=970))
    monkeypatch.setattr(emerging, "MOST_CLUSTERED", 600)

    first, second = find_spots(vectors, seed=3), find_spots(vectors, seed=3)

    assert (first == second).all()
    assert first.max() >= 0
    assert (find_spots(vectors, seed=4) != first).any()


def test_one_text_said_over_and_over_is_one_spot_and_wordless_ones_are_none():
    same = np.tile(unit(np.ones((1, 16))), (5000, 1)).astype(np.float32)
    wordless = np.zeros((50, 16), np.float32)

    labels = find_spots(np.vstack([same, wordless]))

    assert (labels[:5000] == 0).all()
    assert (labels[5000:] == -1).all()
    assert (find_spots(wordless) == -1).all()
    assert len(find_spots(np.zeros((0, 16), np.float32))) == 0


@pytest.mark.parametrize("n", [8, 9, 10, 11])
def test_a_few_texts_with_nothing_in_common_are_no_spot(n):
    assert (find_spots(np.eye(64, dtype=np.float32)[:n]) == -1).all()


def test_of_more_copies_than_are_clustered_all_are_in_the_spot_and_a_stranger_is_not(monkeypatch):
    monkeypatch.setattr(emerging, "MOST_CLUSTERED", 30)
    vectors = np.eye(16, dtype=np.float32)[[0] * 60]
    vectors[7] = np.eye(16)[1]

    labels = find_spots(vectors, seed=0)

    assert labels[7] == -1
    assert (np.delete(labels, 7) == 0).all()


def test_emoji_that_the_encoder_cannot_tell_apart_are_no_spot():
    vectors = np.tile(unit(np.ones((1, 16))), (30, 1)).astype(np.float32)
    days, people = np.full(30, LAST_DAY), np.arange(30)

    assert look(vectors, days, people, ["\U0001f621", "?!", "\u2764\ufe0f"] * 10) == []
    assert len(look(vectors, days, people, ["\u5305\u88f9", "404", "\u0439"] * 10)) == 1


def test_many_copies_of_a_text_among_noise_are_found():
    rng, vectors, _, _ = make_pile(5, n=900)
    copies = np.tile(unit(rng.normal(size=(1, 64))), (300, 1)).astype(np.float32)

    labels = find_spots(np.vstack([vectors, copies]))

    assert len(set(labels[900:].tolist())) == 1
    assert labels[900] >= 0


def test_sums_that_differ_in_the_last_place_leave_copies_of_a_text_together(monkeypatch):
    rng, vectors, _, _ = make_pile(5, n=900)
    copies = np.tile(unit(rng.normal(size=(1, 64))), (300, 1)).astype(np.float32)
    exactly = emerging.DenseSpace.transform

    def added_up_in_another_order(space, rows):
        less = 2e-7 * (len(rows) == 1200) * (np.arange(len(rows)) % 2)
        return (exactly(space, rows) * (1 - less)[:, None]).astype(np.float32)

    monkeypatch.setattr(emerging.DenseSpace, "transform", added_up_in_another_order)
    labels = find_spots(np.vstack([vectors, copies]))

    assert len(set(labels[900:].tolist())) == 1
    assert labels[900] >= 0


def test_a_spot_whose_texts_share_no_words_gets_no_name_out_of_one_of_them():
    vectors, days, people = plant(make_pile(1, n=1970))

    (spot,) = look(vectors, days, people)

    assert spot.name == ""


def test_the_model_of_a_spot_claims_its_like_and_leaves_strangers_alone():
    rng = np.random.default_rng(0)
    centre = unit(rng.normal(size=(1, 64)))[0]
    members = around(rng, centre, 80, 0.6).astype(np.float32)
    strangers = unit(rng.normal(size=(400, 64)))

    model = fit_spot(members, strangers)

    assert model.n_themes == 1
    assert (model.assign(around(rng, centre, 50, 0.6).astype(np.float32))[0] == 0).mean() > 0.9
    assert (model.assign(unit(rng.normal(size=(400, 64))))[0] == 0).mean() < 0.01
