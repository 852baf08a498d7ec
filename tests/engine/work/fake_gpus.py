"""A machine with two GPUs, as far as the child can tell."""

from engine.events import Device


def available() -> list[Device]:
    return [Device(device=device, name="Fake", memory_bytes=1, why="") for device in ("cuda:0", "cuda:1", "cpu")]


def set_threads() -> int:
    return 1
