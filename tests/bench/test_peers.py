"""Peers: an environment is made once, and its lack is a sentence."""

from __future__ import annotations

import pytest

from closedloop.bench.peers import PeerNotThere, peer_python, peers_directory


def test_an_environment_that_is_there_is_used_again(tmp_path):
    home = tmp_path / "known"
    home.mkdir()
    (home / "installed.txt").write_text("a==1\nb==2")

    assert peer_python("known", "a==1", "b==2", directory=tmp_path) == home / "bin" / "python"


def test_an_environment_that_cannot_be_made_says_so_and_is_not_taken_for_made(tmp_path):
    nowhere = tmp_path / "file"
    nowhere.write_text("no directory")

    with pytest.raises(PeerNotThere, match="new was not compared"):
        peer_python("new", directory=nowhere)


def test_environments_are_kept_in_the_cache_of_the_user():
    assert peers_directory().parts[-2:] == ("closedloop", "peers")
