"""A machine with two GPUs, as far as the child can tell."""


def available() -> list[dict[str, object]]:
    gpus: list[dict[str, object]] = [
        {"device": f"cuda:{index}", "name": "Fake", "memory_bytes": 1, "why": ""} for index in range(2)
    ]
    return [*gpus, {"device": "cpu", "name": "Fake", "memory_bytes": 1, "why": ""}]


def set_threads() -> int:
    return 1
