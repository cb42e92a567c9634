"""Putting an interrupt at every instant of a run: the compiled part of ``irqvisor explore``.

`examine.py` has the inner loop and is the only entry; what follows is called by it, in this order:

    quiet.py        run a machine until nothing happens any more by itself
    twin.py         make one machine the copy of another, page by page
    canonical.py    what of a machine's state decides what it does from now on, and a table of such states
    judge.py        what is wrong with a machine that has come to rest
    stuck.py        ... and with its event channels
    turns.py        one pCPU at a time, and another at a chosen instruction (--preempt)
    reason.py       why it comes back to Python

Nothing here is compiled for a comparison.
"""
