"""Provenance: where weights come from and under which licence, as far as anybody said; no legal advice.

Not here: weights of an earlier run, which come from wherever that run started (jobs.export follows them).
"""

from dataclasses import dataclass

from engine.errors import WeightsError
from engine.models import registry
from engine.models.sources.source import source_of
from engine.models.weights_store import open_weights
from engine.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Plain text, which may hold a file name of a user, and addresses that the source of the backbone gives."""

    text: str
    links: tuple[str, ...] = ()


def provenance(workspace: Workspace, backbone: str, weights: str) -> Provenance:
    """For `weights` as in RunConfig, but of no run: default, none, the name of an entry, or file:ID."""
    kind, _, reference = weights.partition(":")
    if kind == "none":
        return Provenance(text="The weights started from random values, so nobody else's weights are in them.")
    if kind == "file":
        name = _file_name(workspace, reference)
        return Provenance(text=f"The weights started from {name}. Its licence is whatever its maker chose.")
    entry, source = registry.published(backbone, weights), source_of(backbone)
    licence = "Their licence stands at the first address below." if entry.license else source.terms
    links = tuple(link for link in (entry.license, entry.recipe_url, entry.url) if link)
    return Provenance(text=f"The weights started from {source.title}'s {entry.title}. {licence}", links=links)


def _file_name(workspace: Workspace, weights_id: str) -> str:
    try:
        return f"the weights file {open_weights(workspace, weights_id).name}, which a person brought"
    except WeightsError:
        return "a weights file that a person brought and that is no longer in the workspace"
