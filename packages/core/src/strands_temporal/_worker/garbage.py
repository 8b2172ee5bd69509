"""Has the garbage collector look less often at less."""

import gc

YOUNG = 10_000
"""New objects after which the collector looks at the young ones. Python's own numbers are 700 and 2,000: most
of so few are still in use when it looks. With both, 1,000 agents one after the other took the same memory."""

_PYTHONS_OWN = (700, 2_000)  # up to 3.12, and from 3.13 on


def spare_what_stays() -> None:
    """Freeze what is alive, once in a process: modules, classes and functions, which stay as long as it runs.

    Strands and Temporal alone are more than 100,000 objects. Each full collection looks at all of them, and
    workflows that begin bring the next one nearer: with 200 agents at once this took a tenth of a worker's
    CPU. What is garbage already is collected first, in a fifth of a second. A process that has frozen
    something, or has switched collections off, is left alone. So are thresholds that are not Python's own.
    """
    if gc.isenabled() and not gc.get_freeze_count():
        gc.collect()
        gc.freeze()
        young, *older = gc.get_threshold()
        if young in _PYTHONS_OWN:
            gc.set_threshold(YOUNG, *older)
