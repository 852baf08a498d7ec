"""An owner is one process, not whichever process has its number today."""

import subprocess
import sys

from engine.store.process_identity import alive, this_process


def test_this_process_is_alive_and_a_later_one_with_its_number_is_not_it():
    owner = this_process()
    pid, start, boot = owner.split(":")
    assert alive(owner)
    assert alive(f"{pid}::")  # all that a system without /proc can say
    assert not alive(f"{pid}:{int(start) + 1}:{boot}")
    assert not alive(f"{pid}:{start}:00000000")


def test_a_process_that_ended_is_dead_even_before_its_parent_noticed():
    script = "from engine.store.process_identity import this_process; print(this_process(), flush=True); input()"
    pipe = subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe, text=True)
    assert child.stdout is not None and child.stdin is not None
    owner = child.stdout.readline().strip()
    assert alive(owner)
    child.stdin.close()
    child.stdout.read()  # end of file: it is ending, and nobody has waited for it yet
    child.stdout.close()
    child.wait()
    assert not alive(owner)


def test_garbage_is_not_alive():
    assert not any(alive(text) for text in ("", "x:1:2", "-1", "999999999:1:1"))
