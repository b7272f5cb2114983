"""The tasks that a method may serve, by name, and what is learnt in each."""

from __future__ import annotations

CLASSIFICATION = "classification"  # which class an item is of
SEGMENTATION = "segmentation"  # which class each pixel is of
REPRESENTATION = "representation"  # a backbone, for others to start from
EPISODES = "episodes"  # to solve small tasks of classes never seen

OF_CLASSES = (CLASSIFICATION, SEGMENTATION)  # those that tell the classes of their pool
LEARNT = {
    CLASSIFICATION: "classes",
    SEGMENTATION: "classes of pixels",
    REPRESENTATION: "features",
    EPISODES: "tasks",
}


def task_of(learns: str, dense: bool) -> str:
    """The task of a run of before, which said so in two words."""
    if learns == "classes":
        return SEGMENTATION if dense else CLASSIFICATION
    return REPRESENTATION if learns == "features" else EPISODES
