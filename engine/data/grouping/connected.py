"""Connected: what hangs together because it shares a key, directly or through others.

Not here: what the keys are (split, groups, near_copies).
"""

from collections.abc import Hashable, Iterable, Sequence


def connected(keys: Sequence[Iterable[Hashable]]) -> list[list[int]]:
    """Places of `keys` as components: two places are in one when a chain of shared keys links them. In the order of
    their first places, each ascending."""
    parents = list(range(len(keys)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    first: dict[Hashable, int] = {}
    for place, of_place in enumerate(keys):
        for key in of_place:
            one, other = root(first.setdefault(key, place)), root(place)
            parents[max(one, other)] = min(one, other)
    components: dict[int, list[int]] = {}
    for place in range(len(keys)):
        components.setdefault(root(place), []).append(place)
    return list(components.values())
