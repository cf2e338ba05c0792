"""tau-bench's results: a line a run, its conversation under `traj` in the OpenAI chat format."""

from collections.abc import Mapping, Sequence

from api.importing.openai_chat import message_steps
from api.importing.transcript import Step
from api.importing.values import sequence
from domain.kernel import Json


def steps_of(document: Mapping[str, Json]) -> Sequence[Step]:
    """The steps of `{"traj": [...]}`. Costs in such a line are the simulated user's, so none is read."""
    model = str(document.get("model") or "unknown")
    return list(message_steps(sequence(document.get("traj"), "traj"), "traj", model))
