"""Flat packages share one namespace with everything installed, so their names must be theirs alone."""

from importlib.metadata import packages_distributions

from tests.architecture.tree import ROOT

OURS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}


def test_no_installed_distribution_claims_a_name_of_ours() -> None:
    claimed = {
        name: distributions
        for name, distributions in packages_distributions().items()
        if name in OURS and set(distributions) != {"magistrate"}
    }
    assert not claimed
